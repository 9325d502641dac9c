// SPDX-License-Identifier: GPL-2.0-or-later

package samedir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// must fails a test that cannot make its files.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// original makes a directory with files of most types. Its times are always the same.
func original(t *testing.T) string {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Mkdir(at("sub"), 0o750))
	must(t, os.WriteFile(at("sub/file"), []byte("content of a file"), 0o640))
	must(t, os.WriteFile(at("other"), []byte("of another file"), 0o644))
	must(t, os.Link(at("sub/file"), at("hard")))
	must(t, os.Symlink("sub/file", at("link")))
	must(t, unix.Mkfifo(at("fifo"), 0o600))
	must(t, os.WriteFile(at("sparse"), nil, 0o600))
	must(t, os.Truncate(at("sparse"), 4<<20))
	must(t, writeAt(at("sparse"), "data", 1<<20))
	for _, name := range []string{"sub/file", "other", "link", "fifo", "sparse", "sub", "."} {
		must(t, setTime(at(name), 1_600_000_000, 123_456_789))
	}
	return dir
}

func setTime(path string, seconds, nanoseconds int64) error {
	at := unix.Timespec{Sec: seconds, Nsec: nanoseconds}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
}

func writeAt(path, text string, offset int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte(text), offset)
	return err
}

// replace puts something else in the place of a file.
func replace(path string, put func() error) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return put()
}

// A change is done to a copy; found are the differences from the original, by path and
// attribute, beside times.
type change struct {
	name  string
	do    func(at func(string) string) error
	found []string
}

var changes = []change{
	{"nothing", func(func(string) string) error { return nil }, nil},
	{"a file more", func(at func(string) string) error { return os.WriteFile(at("sub/new"), nil, 0o644) }, []string{"sub/new exists"}},
	{"a file less", func(at func(string) string) error { return os.Remove(at("other")) }, []string{"other exists"}},
	{"another name", func(at func(string) string) error { return os.Rename(at("other"), at("Other")) }, []string{"Other exists", "other exists"}},
	{"another type", func(at func(string) string) error {
		return replace(at("fifo"), func() error { return os.WriteFile(at("fifo"), nil, 0o600) })
	}, []string{"fifo type"}},
	{"one bit", func(at func(string) string) error { return writeAt(at("other"), "n", 0) }, []string{"other content"}},
	{"one bit behind a hole", func(at func(string) string) error { return writeAt(at("sparse"), "e", 1<<20) }, []string{"sparse content"}},
	{"one bit in a hole", func(at func(string) string) error { return writeAt(at("sparse"), "\x01", 3<<20) }, []string{"sparse content"}},
	{"one byte more", func(at func(string) string) error { return os.Truncate(at("other"), 16) }, []string{"other size"}},
	{"no holes", func(at func(string) string) error { return writeAt(at("sparse"), strings.Repeat("\x00", 1<<19), 2<<20) }, []string{"sparse holes"}},
	{"another target", func(at func(string) string) error {
		return replace(at("link"), func() error { return os.Symlink("sub/FILE", at("link")) })
	}, []string{"link target"}},
	{"a copy instead of a hard link", func(at func(string) string) error {
		return replace(at("sub/file"), func() error { return os.WriteFile(at("sub/file"), []byte("content of a file"), 0o640) })
	}, []string{"sub/file links"}},
	{"a hard link instead of a copy", func(at func(string) string) error {
		return replace(at("other"), func() error { return os.Link(at("hard"), at("other")) })
	}, []string{"other links", "other mode", "other size"}},
	{"the mode of a file", func(at func(string) string) error { return os.Chmod(at("other"), 0o645) }, []string{"other mode"}},
	{"the mode of the directory itself", func(at func(string) string) error { return os.Chmod(at("."), 0o700|os.ModeSticky) }, []string{". mode"}},
	{"setuid", func(at func(string) string) error { return os.Chmod(at("other"), 0o644|os.ModeSetuid) }, []string{"other mode"}},
}

func TestEveryChangeIsNoticed(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			a, b := original(t), original(t)
			must(t, c.do(func(name string) string { return filepath.Join(b, name) }))
			checkFound(t, a, b, c.found, Time, Nanoseconds)
		})
	}
}

// checkFound compares two directories, and the differences with those that there are.
func checkFound(t *testing.T, a, b string, want []string, ignore ...Attribute) {
	t.Helper()
	entries, all, err := Compare(a, b, ignore...)
	if err != nil || entries != 7 {
		t.Errorf("%d entries, %v", entries, err)
	}
	var found []string
	for _, d := range all {
		found = append(found, d.Path+" "+string(d.What))
	}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", all, want)
	}
}

func TestEveryTimeIsCompared(t *testing.T) {
	for _, name := range []string{"other", "sub", "link", "fifo", "sparse", "."} {
		a, b := original(t), original(t)
		checkFound(t, a, b, nil)
		must(t, setTime(filepath.Join(b, name), 1_600_000_000, 123_456_788))
		checkFound(t, a, b, []string{name + " nanoseconds"})
		must(t, setTime(filepath.Join(b, name), 1_600_000_001, 123_456_789))
		checkFound(t, a, b, []string{name + " time"})
		checkFound(t, a, b, nil, Time)
	}
}

func TestExtendedAttributesAreCompared(t *testing.T) {
	a, b := original(t), original(t)
	if err := unix.Setxattr(filepath.Join(a, "other"), "user.a", []byte("1"), 0); err != nil {
		t.Skip("this file system has no extended attributes: ", err)
	}
	checkFound(t, a, b, []string{"other xattrs"})
	must(t, unix.Setxattr(filepath.Join(b, "other"), "user.a", []byte("2"), 0))
	checkFound(t, a, b, []string{"other xattrs"})
	must(t, unix.Setxattr(filepath.Join(b, "other"), "user.a", []byte("1"), 0))
	checkFound(t, a, b, nil)
	must(t, unix.Setxattr(filepath.Join(b, "sub"), "user.b", nil, 0))
	checkFound(t, a, b, []string{"sub xattrs"})
}

func TestOwnersAndDevicesAreCompared(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away, and makes devices")
	}
	a, b := original(t), original(t)
	must(t, os.Lchown(filepath.Join(b, "link"), 12, 34))
	must(t, os.Lchown(filepath.Join(b, "other"), -1, 34))
	checkFound(t, a, b, []string{"link owner", "other owner"})
	for i, dir := range []string{a, b} {
		device := filepath.Join(dir, "fifo")
		err := replace(device, func() error { return unix.Mknod(device, unix.S_IFCHR|0o600, int(unix.Mkdev(1, uint32(3+i*2)))) })
		if err != nil {
			t.Skip("no devices can be made here: ", err)
		}
	}
	checkFound(t, a, b, []string{"fifo device", "link owner", "other owner"}, Time, Nanoseconds)
}

// What cannot be read is an error, not a difference.
func TestADirectoryThatIsMissingIsAnError(t *testing.T) {
	if _, _, err := Compare(original(t), filepath.Join(t.TempDir(), "missing")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

func TestOnlyDataOfSparseFilesIsRead(t *testing.T) {
	a, b := original(t), original(t)
	for _, dir := range []string{a, b} {
		if err := os.Truncate(filepath.Join(dir, "sparse"), 1<<40); err != nil {
			t.Skip("no file of 1 TiB: ", err)
		}
		must(t, setTime(filepath.Join(dir, "sparse"), 1_600_000_000, 0))
	}
	checkFound(t, a, b, nil)
}
