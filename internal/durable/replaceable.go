// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrFixed is what all errors of [Replaceable] are.
var ErrFixed = errors.New("it cannot be replaced")

// A fixed error says why a file cannot be replaced.
type fixed string

func (e fixed) Error() string        { return string(e) }
func (e fixed) Is(target error) bool { return target == ErrFixed }

// Why no file can be put in the place of one that is there.
const (
	ErrMountPoint fixed = "is a mount point, such as a bind mount of one file, and cannot be replaced; mount its directory instead"
	ErrImmutable  fixed = "is immutable and cannot be replaced; chattr -i takes that away"
	ErrAppendOnly fixed = "is append-only and cannot be replaced; chattr -a takes that away"
	ErrSticky     fixed = "belongs to another user, and only that one may replace it, because the directory has the sticky bit"
	ErrRefused    fixed = "cannot be replaced: operation not permitted"

	// These are of the directory.
	ErrDirImmutable  fixed = "is immutable, so that nothing in it can be replaced; chattr -i takes that away"
	ErrDirAppendOnly fixed = "is append-only, so that nothing in it can be replaced; chattr -a takes that away"
)

// Replaceable asks whether the file called name in dir could be replaced by
// another one. It changes nothing. Errors are [ErrFixed]. A nil error does not
// guarantee success: some reasons show only when the file is replaced.
func Replaceable(dir *os.Root, name string) error {
	if name != filepath.Base(name) || !filepath.IsLocal(name) || name == "." {
		return nil // to be refused by whoever uses it
	}
	return replaceable(dir, name)
}

// ChangeableDir asks whether files in dir could be renamed and removed.
func ChangeableDir(dir *os.Root) error { return changeableDir(dir) }

// LongestName returns how many bytes the name of a file in dir can have. The file
// system is asked, and then one is made, since some do not know it themselves.
func LongestName(dir *os.Root) int {
	low, high := shortestName, min(maxName, statedName(dir))
	if high <= low || fits(dir, high) {
		return high
	}
	for high > low+1 {
		if middle := (low + high) / 2; fits(dir, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

const (
	// maxName is the length of a name that usual systems have, in bytes.
	maxName = 255

	// shortestName is one that every file system has room for.
	shortestName = 30
)

// fits reports whether a file can have a name of n bytes. Any other failure than that
// it is too long counts as yes.
func fits(dir *os.Root, n int) bool {
	name := temporaryName()
	for len(name) < n {
		name += "x"
	}
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return !isTooLong(err)
	}
	f.Close()
	dir.Remove(name)
	return true
}

// TryName asks whether dir can have a file called name, which is made and removed: a file
// system may not have all characters.
func TryName(dir *os.Root, name string) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.Close()
	return dir.Remove(name)
}

// Try does in dir all that it takes to put a file there: one is made, written, synced,
// renamed and removed. The first error is returned. See is called with the file before
// it is renamed.
func Try(dir *os.Root, mode fs.FileMode, see func(*os.File)) error {
	if err := ChangeableDir(dir); err != nil {
		return err
	}
	name := temporaryName()
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if see != nil {
		see(f)
	}
	if err = fill(f, make([]byte, pageSize)); err == nil {
		to := temporaryName()
		if err = Rename(dir, name, to); err == nil {
			name = to
		}
	}
	return errors.Join(err, dir.Remove(name))
}

// pageSize is what a file takes that is not empty, as a rule, in bytes.
const pageSize = 4096
