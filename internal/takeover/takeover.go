// SPDX-License-Identifier: GPL-2.0-or-later

// Package takeover takes a file over from a directory that another user may write to,
// so that this user cannot change it any more.
//
// A receiver that runs without privileges puts a file into such a directory, and an
// installer with privileges takes it over. A receiver that an attacker controls may do
// anything to the directory meanwhile: put links, pipes and other files into the place of
// the file, hold it open for writing, or keep it mapped. The file that [Take] returns does
// not change any more, whatever it is: the installer verifies it afterwards.
package takeover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"iotupd/internal/durable"
)

// ErrTooLarge says that a file has more bytes than were allowed.
var ErrTooLarge = errors.New("it is larger than allowed")

// A Taken is a file that was taken over.
type Taken struct {
	// File is open for reading, at its start. The caller closes it when the file has been
	// used, and not before: until then, a lease shows whether somebody could change it.
	File *os.File

	// Copied says that the file was copied, since it could not be shown that nobody else
	// can write to it, or because it was on another file system.
	Copied bool
}

// Unchanged reports whether nobody can have changed the file since it was taken over. It
// is to be asked when the file has been verified, before it is used.
func (t *Taken) Unchanged() bool { return t.Copied || leased(t.File) }

// Take moves the file called name out of the directory from, into the directory own under
// the name as, where it belongs to this user alone and nobody may write to it (mode 0400).
// Nobody else may be able to write to own, or to a directory above it. The file called as
// must not exist. Both names are those of files in the directories themselves. A file that cannot be moved safely is copied, up to limit bytes, and
// removed. It is on the disk when Take returns, and so is its name.
//
// The error wraps [durable.ErrNotRegular] for anything but a regular file, also for a
// symbolic link, and [ErrTooLarge]. After an error, own has no file called as; the one
// called name may be gone.
func Take(from *os.Root, name string, own *os.Root, as string, limit int64) (*Taken, error) {
	t, err := take(from, name, own, as, limit)
	if err != nil {
		if !errors.Is(err, os.ErrExist) {
			own.RemoveAll(as)
		}
		return nil, fmt.Errorf("take over %s: %w", name, err)
	}
	return t, nil
}

func take(from *os.Root, name string, own *os.Root, as string, limit int64) (*Taken, error) {
	for _, n := range []string{name, as} {
		if n != filepath.Base(n) || !filepath.IsLocal(n) || n == "." {
			return nil, &os.PathError{Op: "open", Path: n, Err: os.ErrInvalid}
		}
	}
	if _, err := own.Lstat(as); err == nil {
		return nil, &os.PathError{Op: "create", Path: as, Err: os.ErrExist}
	}
	f, moved, err := move(from, name, own, as)
	if err != nil {
		return nil, err
	}
	if moved {
		info, err := f.Stat()
		if err == nil && info.Size() > limit {
			err = ErrTooLarge
		}
		if err == nil {
			err = errors.Join(f.Sync(), durable.SyncDir(own), durable.SyncDir(from))
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return &Taken{File: f}, nil
	}
	defer f.Close()
	taken, err := copyOf(f, own, as, limit)
	if err != nil {
		return nil, err
	}
	from.Remove(name) // whatever is called so by now; left there, it is taken again
	return &Taken{File: taken, Copied: true}, nil
}

// copyOf copies f, which may change meanwhile.
func copyOf(f *os.File, own *os.Root, as string, limit int64) (taken *os.File, err error) {
	temporary := as + ".copy"
	own.RemoveAll(temporary) // of a run that was killed
	w, err := own.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(w, io.NewSectionReader(f, 0, limit))
	if err == nil && n == limit {
		if more, _ := f.ReadAt(make([]byte, 1), limit); more > 0 {
			err = ErrTooLarge
		}
	}
	if err = errors.Join(err, w.Sync(), w.Close()); err == nil {
		err = own.Rename(temporary, as)
	}
	if err == nil {
		err = durable.SyncDir(own)
	}
	if err != nil {
		own.RemoveAll(temporary)
		return nil, err
	}
	return durable.OpenRegularIn(own, as, os.O_RDONLY)
}
