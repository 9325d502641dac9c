// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
)

// scratchDir is where large temporary files go: $TMPDIR, or else /var/tmp,
// since /tmp is often memory.
func scratchDir() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	if info, err := os.Stat("/var/tmp"); err == nil && info.IsDir() {
		return "/var/tmp"
	}
	return os.TempDir()
}

// moreRoom ends an error about space for a temporary file.
const moreRoom = "; set TMPDIR to a directory with room"

// newScratch makes a temporary file with room for size bytes. Where the system
// can, it has no name any more, so that nothing is left behind by any end of
// the process. The caller calls remove when done.
func newScratch(size int64) (f *os.File, remove func(), err error) {
	dir := scratchDir()
	f, err = os.CreateTemp(dir, "iotupd-*.tmp")
	if err != nil {
		return nil, nil, cli.WithCode(cli.ExitLocalIO, fmt.Errorf("temporary file in %s: %w%s", dir, durable.Cause(err), moreRoom))
	}
	name := f.Name()
	unlinked := os.Remove(name) == nil
	remove = func() {
		f.Close()
		if !unlinked {
			os.Remove(name)
		}
	}
	if err := durable.Allocate(f, size); err != nil {
		remove()
		return nil, nil, cli.WithCode(cli.ExitLocalIO, fmt.Errorf("temporary file of %v in %s: %w%s", quantity.Size(size), dir, durable.Cause(err), moreRoom))
	}
	return f, remove, nil
}

// A scratchFile is a file from byte start on, whose failures name it and are
// local.
type scratchFile struct {
	*os.File
	start int64
}

func (f scratchFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, f.start+offset)
	if err != nil && err != io.EOF {
		err = cli.LocalError(f.Name(), err)
	}
	return n, err
}

func (f scratchFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, f.start+offset)
	if err != nil {
		err = cli.LocalError(f.Name(), err)
	}
	return n, err
}

// A scratchTarget receives into a temporary file. What happens to the verified
// bytes is up to use.
type scratchTarget struct {
	use    func(ctx context.Context, verified io.Reader) error // nil: nothing
	file   *os.File
	remove func()
}

func (t *scratchTarget) open(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
	t.close()
	var err error
	if t.file, t.remove, err = newScratch(0); err != nil {
		return nil, err
	}
	place := "temporary file in " + filepath.Dir(t.file.Name())
	return &store{file: t.file, size: int64(p.Size), place: place, hint: moreRoom, giveBack: t.close}, nil
}

func (t *scratchTarget) has(context.Context, *proto.Manifest) (string, error) { return "", nil }

func (t *scratchTarget) commit(ctx context.Context, m *proto.Manifest) (string, error) {
	if t.use == nil {
		return "", nil
	}
	return "", t.use(ctx, io.NewSectionReader(t.file, 0, int64(m.Descriptor.Size)))
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

func (t *scratchTarget) discard() { t.close() }

func (t *scratchTarget) close() {
	if t.remove != nil {
		t.remove()
		t.remove = nil
	}
}
