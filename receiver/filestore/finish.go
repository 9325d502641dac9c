// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"io"
	"os"

	"iotupd/internal/durable"
)

// seal gives the partial file its final size, the mode and the owner of the old file if
// there is one, and makes it durable.
func (t *FileTarget) seal(name string, size int64) error {
	t.placed.Store(nil)
	if err := t.setOwners(name); err != nil {
		return err
	}
	t.store.dropBallast()
	durable.Compact(t.part, size)
	if err := t.part.Truncate(size); err != nil {
		return err
	}
	return t.part.Sync()
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
func (t *FileTarget) behind(size int64) (w workspace, err error) {
	info, err := t.part.Stat()
	if err != nil || info.Size() <= size {
		return w, err
	}
	w.size, w.at = info.Size(), size
	if w.size-w.at > maxBehind {
		w.at = w.size - lastBehind
	}
	w.bytes = make([]byte, w.size-w.at)
	if _, err := t.part.ReadAt(w.bytes, w.at); err != nil && err != io.EOF {
		return workspace{}, err
	}
	return w, nil
}

// lastBehind is how much of the end is kept where there is more than maxBehind.
const lastBehind = 4096

// unseal restores the partial file as it was before seal, so that the next run
// continues from it. The hashes of a large file have to be received again.
func (t *FileTarget) unseal(w workspace) {
	ours := owners{user: os.Geteuid(), group: os.Getegid(), mode: partMode}
	ours.give(t.part)
	t.part.Chmod(partMode)
	if len(w.bytes) > 0 && durable.Allocate(t.part, w.size) == nil {
		t.part.WriteAt(w.bytes, w.at)
	}
}
