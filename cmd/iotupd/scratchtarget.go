// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"iotupd/cmd/iotupd/internal/cli"
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

// copyTo returns a use of verified bytes: to be written to w. When the context
// ends first, a write that hangs is left to the end of the process.
func copyTo(w io.Writer) func(context.Context, io.Reader) error {
	return func(ctx context.Context, verified io.Reader) error {
		copied := make(chan error, 1)
		go func() {
			_, err := io.Copy(w, verified)
			copied <- err
		}()
		select {
		case err := <-copied:
			if errors.Is(err, syscall.EPIPE) {
				return cli.WithCode(cli.ExitSignal+int(syscall.SIGPIPE), errors.New("the reader of -o - has gone away"))
			}
			return cli.WithCode(cli.ExitLocalIO, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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
