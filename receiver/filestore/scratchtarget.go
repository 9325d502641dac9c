// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// A ScratchTarget is a [Target] that receives into a temporary file, in $TMPDIR
// or else /var/tmp. It leaves no file. Make one by [Scratch].
type ScratchTarget struct {
	use    func(ctx context.Context, verified io.Reader) error // nil: nothing
	file   *os.File
	remove func()
}

// Scratch returns a target that keeps no file. Commit gives the verified bytes to
// use, whose error it returns; when the context ends, use should return. If use is
// nil, the bytes are thrown away.
func Scratch(use func(ctx context.Context, verified io.Reader) error) *ScratchTarget {
	return &ScratchTarget{use: use}
}

// Open implements [Target].
func (t *ScratchTarget) Open(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
	t.Close()
	var err error
	if t.file, t.remove, err = durable.Scratch(0); err != nil {
		return nil, err
	}
	place := "temporary file in " + filepath.Dir(t.file.Name())
	return &store{part: hold(t.file), size: int64(p.Size), place: place, hint: durable.MoreRoom, giveBack: t.Close}, nil
}

// Prepare implements [Target].
func (t *ScratchTarget) Prepare() error { return nil }

// Has implements [Target]: there is never a file.
func (t *ScratchTarget) Has(context.Context, *proto.Manifest) (string, error) { return "", nil }

// Commit implements [Target].
func (t *ScratchTarget) Commit(ctx context.Context, m *proto.Manifest) (string, error) {
	if t.use == nil {
		return "", nil
	}
	return "", t.use(ctx, io.NewSectionReader(t.file, 0, int64(m.Descriptor.Size)))
}

// Consumes reports whether verified bytes are used, so that to receive them again would
// use them twice.
func (t *ScratchTarget) Consumes() bool { return t.use != nil }

// Discard implements [Target].
func (t *ScratchTarget) Discard() { t.Close() }

// Close implements [Target].
func (t *ScratchTarget) Close() {
	if t.remove != nil {
		t.remove()
		t.remove = nil
	}
}
