// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"errors"
	"io/fs"
)

// A placed file is the partial file under its name, while it is written.
type placed struct {
	name  string
	part  *part
	store *store
}

// place notes the partial file, for Check.
func (t *FileTarget) place() {
	t.placed.Store(&placed{name: t.part.name, part: t.part, store: t.store})
}

// Check reports a change of the directory or the partial file by another program,
// after which the file could not be finished: an [*Error] that wraps [ErrMoved],
// [ErrRemoved] or [ErrTruncated]. It may be called from any goroutine between
// Prepare and Commit. If the check itself fails, no change is reported.
func (t *FileTarget) Check() error {
	if err := t.dir.check(); err != nil {
		return err
	}
	p := t.placed.Load()
	if p == nil {
		return nil
	}
	err := t.checkPart(p)
	if t.placed.Load() != p {
		return nil // it has just got another name
	}
	return err
}

func (t *FileTarget) checkPart(p *placed) error {
	named, err := t.dir.Lstat(p.name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !p.part.is(named):
		return newError(t.dir.path(p.name), ErrRemoved)
	case err == nil && named.Size() < p.store.reserved.Load():
		return newError(t.dir.path(p.name), ErrTruncated)
	}
	return nil
}

// Lost reports whether an error is one of [FileTarget.Check], so that the file can be
// received again.
func Lost(err error) bool {
	return errors.Is(err, ErrMoved) || errors.Is(err, ErrRemoved) || errors.Is(err, ErrTruncated)
}

// Reset closes the directory and the partial file, which stays. Prepare opens
// them again.
func (t *FileTarget) Reset() {
	t.leave()
	if t.dir != nil {
		t.dir.leave()
		t.dir = nil
	}
}
