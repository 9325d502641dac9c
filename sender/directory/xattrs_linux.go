// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"iotupd/proto/archive"
)

// xattrsOf returns the extended attributes of what has a name in a directory, which is not
// followed if it is a symbolic link. ACLs are attributes here.
func xattrsOf(in *os.Root, name string) ([]archive.Xattr, error) {
	dir, err := in.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name) // there is no call for a name in an open directory
	list, err := readXattr(func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	switch {
	case errors.Is(err, unix.ENOTSUP):
		return nil, nil
	case errors.Is(err, unix.ENOENT) && !hasProc():
		return nil, errors.New("extended attributes cannot be read without /proc; mount it, or leave xattrs out of --preserve")
	case err != nil:
		return nil, fmt.Errorf("extended attributes: %w", err)
	}
	names := strings.FieldsFunc(string(list), func(c rune) bool { return c == 0 })
	slices.Sort(names)
	var all []archive.Xattr
	for _, n := range names {
		value, err := readXattr(func(b []byte) (int, error) { return unix.Lgetxattr(path, n, b) })
		switch {
		case errors.Is(err, unix.ENODATA): // removed meanwhile
			continue
		case err != nil:
			return nil, fmt.Errorf("extended attribute %s: %w", n, err)
		case len(n) > archive.MaxName || strings.ContainsAny(n, "=\n") || len(value) > archive.MaxXattr || len(all) == archive.MaxXattrs:
			return nil, fmt.Errorf("extended attribute %q of %d bytes: at most %d attributes of %d bytes, with names of %d bytes without = and newline, can be sent; remove it, or leave xattrs out of --preserve",
				n, len(value), archive.MaxXattrs, archive.MaxXattr, archive.MaxName)
		}
		all = append(all, archive.Xattr{Name: n, Value: string(value)})
	}
	return all, nil
}

// readXattr calls read with a buffer that is large enough.
func readXattr(read func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := read(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		b := make([]byte, size)
		n, err := read(b)
		if errors.Is(err, unix.ERANGE) { // it has grown meanwhile
			continue
		}
		return b[:max(0, n)], err
	}
}

// hasProc reports whether /proc is mounted.
func hasProc() bool {
	_, err := os.Stat("/proc/self/fd")
	return err == nil
}
