// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Lasting reports why files in a directory do not survive a reboot or cannot be written,
// as far as the system says. The directory need not exist yet. Errors are of type
// [*DirError].
func Lasting(dir string) error {
	if err := lasting(dir); err != nil {
		return &DirError{Path: dir, Err: err}
	}
	return nil
}

// IsReadOnly reports whether a directory is on a file system that is read-only.
func IsReadOnly(dir string) bool { return errors.Is(lasting(dir), ErrReadOnly) }

func lasting(dir string) error {
	dir = existing(dir)
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return nil
	}
	switch {
	case fs.Flags&unix.ST_RDONLY != 0:
		return ErrReadOnly
	case inMemory(&fs):
		return ErrInMemory
	case int64(fs.Type) != unix.OVERLAYFS_SUPER_MAGIC:
		return nil
	}
	// An overlay keeps what is written in its upper directory.
	var st unix.Stat_t
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || unix.Stat(dir, &st) != nil {
		return nil
	}
	upper := upperOf(string(mounts), unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	if upper != "" && unix.Statfs(upper, &fs) == nil && inMemory(&fs) {
		return ErrInMemory
	}
	return nil
}

func inMemory(fs *unix.Statfs_t) bool {
	return int64(fs.Type) == unix.TMPFS_MAGIC || int64(fs.Type) == unix.RAMFS_MAGIC
}

// existing returns the directory at path, or the lowest one above it that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		above := filepath.Dir(path)
		if above == path {
			return path
		}
		path = above
	}
}

// upperOf returns the upper directory of the overlay with a device number, from a
// mountinfo of proc(5); empty: it is not there.
func upperOf(mountinfo string, major, minor uint32) string {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if len(fields) < 3 || len(rest) < 3 || rest[0] != "overlay" || fields[2] != fmt.Sprintf("%d:%d", major, minor) {
			continue
		}
		for option := range strings.SplitSeq(rest[2], ",") {
			if upper, ok := strings.CutPrefix(option, "upperdir="); ok {
				return octal.Replace(upper)
			}
		}
	}
	return ""
}

// octal are the characters that proc(5) escapes.
var octal = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
