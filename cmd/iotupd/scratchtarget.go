// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// A scratchTarget receives into a temporary file. What happens to the verified
// bytes is up to use.
type scratchTarget struct {
	use    func(ctx context.Context, verified io.Reader) error // nil: nothing
	file   *os.File
	remove func()
}

// newScratchTarget returns a target that is gone at the end of the transfer, and
// gives the verified bytes to use; nil throws them away.
func newScratchTarget(use func(ctx context.Context, verified io.Reader) error) *scratchTarget {
	return &scratchTarget{use: use}
}

func (t *scratchTarget) open(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
	t.close()
	var err error
	if t.file, t.remove, err = durable.Scratch(0); err != nil {
		return nil, err
	}
	place := "temporary file in " + filepath.Dir(t.file.Name())
	return &store{file: t.file, size: int64(p.Size), place: place, hint: durable.MoreRoom, giveBack: t.close}, nil
}

func (t *scratchTarget) prepare() error { return nil }

func (t *scratchTarget) has(context.Context, *proto.Manifest) (string, error) { return "", nil }

func (t *scratchTarget) commit(ctx context.Context, m *proto.Manifest) (string, error) {
	if t.use == nil {
		return "", nil
	}
	return "", t.use(ctx, io.NewSectionReader(t.file, 0, int64(m.Descriptor.Size)))
}

func (t *scratchTarget) discard() { t.close() }

func (t *scratchTarget) close() {
	if t.remove != nil {
		t.remove()
		t.remove = nil
	}
}
