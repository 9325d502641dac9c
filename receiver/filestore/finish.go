// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"io"
	"os"

	"iotupd/internal/durable"
)

// finish makes f, which is the partial file, the file called name, of size bytes.
// Errors are of type [*Error], and those of Inspect.
func (t *FileTarget) finish(f *os.File, name string, size int64) error {
	behind, err := t.behind(f, size)
	if err == nil {
		err = t.seal(f, name, size)
	}
	if err == nil && t.inspect != nil {
		if err := t.inspect(t.dir.path(t.part.name)); err != nil {
			t.unseal(f, behind)
			return err
		}
	}
	if err == nil {
		err = t.dir.names.take(t, name, func() error { return t.dir.Rename(t.part.name, name) })
	}
	if err != nil {
		t.unseal(f, behind)
		return newError(t.dir.path(name), err)
	}
	if info, err := f.Stat(); err == nil {
		t.verified.Store(&info)
	}
	return nil
}

// seal gives the partial file its final size, the mode and the owner of the old file if
// there is one, and makes it durable.
func (t *FileTarget) seal(f *os.File, name string, size int64) error {
	t.placed.Store(nil)
	if err := t.setOwners(f, name); err != nil {
		return err
	}
	t.store.dropBallast()
	durable.Compact(f, size)
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// maxBehind is how many bytes behind the file are kept in memory until the file
// is in place.
const maxBehind = 1 << 20

// A workspace is the end of a partial file, behind the received file.
type workspace struct {
	size  int64 // of the partial file
	at    int64 // where bytes begin
	bytes []byte
}

// behind returns the bytes that seal cuts off, all of them or only the end.
func (t *FileTarget) behind(f *os.File, size int64) (w workspace, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() <= size {
		return w, err
	}
	w.size, w.at = info.Size(), size
	if w.size-w.at > maxBehind {
		w.at = w.size - lastBehind
	}
	w.bytes = make([]byte, w.size-w.at)
	if _, err := f.ReadAt(w.bytes, w.at); err != nil && err != io.EOF {
		return workspace{}, err
	}
	return w, nil
}

// lastBehind is how much of the end is kept where there is more than maxBehind.
const lastBehind = 4096

// unseal restores the partial file as it was before seal, so that the next run
// continues from it. The hashes of a large file have to be received again.
func (t *FileTarget) unseal(f *os.File, w workspace) {
	ours := owners{user: os.Geteuid(), group: os.Getegid(), mode: partMode}
	ours.give(f)
	f.Chmod(partMode)
	if len(w.bytes) > 0 && durable.Allocate(f, w.size) == nil {
		f.WriteAt(w.bytes, w.at)
	}
}
