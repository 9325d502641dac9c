// SPDX-License-Identifier: GPL-2.0-or-later

package takeover

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"iotupd/internal/durable"
)

// move moves the file if it can be shown afterwards that nobody else can write to it, and
// returns it open. If not, it returns the file, under whatever name, to be copied.
//
// Only a file of the user whom the directory belongs to is moved: anybody can make a hard
// link to the file of a third one.
func move(from *os.Root, name string, own *os.Root, as string) (f *os.File, moved bool, err error) {
	source, err := from.Open(".")
	if err != nil {
		return nil, false, err
	}
	defer source.Close()
	target, err := own.Open(".")
	if err != nil {
		return nil, false, err
	}
	defer target.Close()
	directory, err := source.Stat()
	if err != nil {
		return nil, false, err
	}
	f, err = open(source, name)
	if err != nil {
		return nil, false, err
	}
	if !alone(f, directory) || unix.Renameat2(int(source.Fd()), name, int(target.Fd()), as, unix.RENAME_NOREPLACE) != nil {
		return f, false, nil
	}
	f.Close()
	// It may be another one than was opened, but from here on nobody can put another one
	// into its place.
	f, err = open(target, as)
	if err != nil {
		return nil, false, err
	}
	if !alone(f, directory) || !seal(f) {
		own.Remove(as) // the copy gets its name; f is still open
		return f, false, nil
	}
	return f, true, nil
}

// open opens a regular file in a directory, and no link to one, without waiting.
func open(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		err = durable.ErrNotRegular
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: name, Err: durable.ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// alone reports whether f has a single name and belongs to the user of a directory.
func alone(f *os.File, directory fs.FileInfo) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	file, ok1 := info.Sys().(*syscall.Stat_t)
	dir, ok2 := directory.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && file.Nlink == 1 && file.Uid == dir.Uid
}

// seal makes f belong to this user alone, and reports whether nobody has it open for
// writing. The mode of the group masks the entries of an access control list as well. The
// kernel grants a lease for reading only if the file is nowhere open for writing, which
// includes shared mappings. The lease is kept: an attempt to open the file that passed the
// check of its mode before that was changed, and goes on only now, breaks it.
func seal(f *os.File) bool {
	if f.Chown(os.Geteuid(), os.Getegid()) != nil || f.Chmod(0o400) != nil {
		return false
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return err == nil // nor on file systems without leases
}

// leased reports whether the lease of f still stands.
func leased(f *os.File) bool {
	lease, err := unix.FcntlInt(f.Fd(), unix.F_GETLEASE, 0)
	return err == nil && lease == unix.F_RDLCK
}
