// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/proto/archive"
)

// mount mounts a file system for a test.
func mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts file systems")
	}
	check(t, os.MkdirAll(dir, 0o755))
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		t.Skipf("%s cannot be mounted here: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

// at is a receiver in a directory of the test's choice.
func at(t *testing.T, dir string, cfg Config) *receiver {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	r := &receiver{TB: t, Place: Open(dir, cfg), cfg: cfg}
	check(t, r.Prepare())
	t.Cleanup(func() { r.Close() })
	return r
}

// "renameat2; where that is refused (overlay: EXDEV)"
func TestADirectoryOnAnOverlay(t *testing.T) {
	dir := t.TempDir()
	mount(t, "tmpfs", filepath.Join(dir, "layers"), "tmpfs", 0, "size=8m")
	for _, layer := range []string{"lower/place/foreign", "upper", "work"} {
		check(t, os.MkdirAll(filepath.Join(dir, "layers", layer), 0o755))
	}
	layer := func(name string) string { return filepath.Join(dir, "layers", name) }
	mount(t, "overlay", filepath.Join(dir, "all"), "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", layer("lower"), layer("upper"), layer("work")))
	for _, link := range []bool{false, true} {
		r := at(t, filepath.Join(dir, "all", "place"), Config{Link: link})
		r.receive(old(t))
		r.receive(recent(t))
		r.wantContent(r.in("tree"), recent(t))
		r.wantHas(recent(t), true)
		r.Close()
		if link {
			continue
		}
		r = at(t, filepath.Join(dir, "all", "place"), Config{Replace: true})
		s := send(t, "foreign", file("x", "y"))
		r.wantError(r.try(s), "lower layer of an overlay") // nobody can rename a directory of the lower layer
		if info, err := os.Stat(r.in("foreign")); err != nil || !info.IsDir() {
			t.Errorf("got %v, %v", info, err)
		}
		r.wantFiles("foreign", "tree")
		r.Close()
	}
}

func TestAFullDiskLeavesTheOldDirectory(t *testing.T) {
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=1m,nr_inodes=100")
	r := at(t, filepath.Join(dir, "place"), Config{})
	r.receive(old(t))
	tooLarge := send(t, "tree", file("large", strings.Repeat("x", 1<<20)))
	r.wantError(r.try(tooLarge), "the new directory takes 1.0 MiB beside the archive and the old directory, and ")
	var many []item
	for i := range 120 {
		many = append(many, file(fmt.Sprint(i), ""))
	}
	r.wantError(r.try(send(t, "tree", many...)), "has 121 files and directories beside the old one, and the file system has room for")

	s := send(t, "tree", file("large", strings.Repeat("x", 700<<10)))
	_, err := r.Learn(t.Context(), s.m, s.inventory)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "other"), make([]byte, 500<<10), 0o600)) // meanwhile
	_, err = r.Commit(t.Context(), s.m, bytes.NewReader(s.archive), nil)
	if r.wantError(err, "the old directory stays; make room"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	r.wantFiles("tree")
	r.wantContent(r.in("tree"), old(t))
	check(t, os.Remove(filepath.Join(dir, "other")))
	_, err = r.Commit(t.Context(), s.m, bytes.NewReader(s.archive), nil)
	check(t, err)
	r.wantContent(r.in("tree"), s)
}

// What is mounted in an old directory is neither hidden nor removed.
func TestAMountInTheOldDirectoryIsKept(t *testing.T) {
	for _, replace := range []bool{false, true} {
		r := newReceiver(t, Config{Replace: replace})
		r.receive(old(t))
		outside := t.TempDir()
		check(t, os.WriteFile(filepath.Join(outside, "mine"), nil, 0o600))
		mount(t, outside, r.in("tree", "d"), "", unix.MS_BIND, "")
		r.wantError(r.try(recent(t)), `something is mounted in it, on "d"`)
		check(t, os.Rename(r.in("tree"), r.in(".tree"+oldSuffix+"x"))) // as it may be renamed
		check(t, os.Rename(r.in(".tree"+oldSuffix+"x"), r.in(".tree"+trashSuffix+"3")))
		err := r.emptyTrash(t.Context(), "tree")
		r.wantError(err, "is a mount point")
		if _, err := os.Stat(filepath.Join(outside, "mine")); err != nil {
			t.Error(err)
		}
		check(t, os.Rename(r.in(".tree"+trashSuffix+"3"), r.in("tree")))
	}
}

func TestAMountPointIsNotReplaced(t *testing.T) {
	r := newReceiver(t, Config{Replace: true})
	mount(t, "tmpfs", r.in("tree"), "tmpfs", 0, "")
	_, err := r.Has(t.Context(), old(t).m)
	r.wantError(err, "is a mount point")
}

// "owners and xattrs on request; devices and setuid only with a flag"
func TestWhatIsPreservedOnRequest(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes devices and sets owners")
	}
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "")
	owned := func(i item) item {
		i.Owned, i.User, i.Group = true, 1234, 5678
		return i
	}
	program := owned(file("program", "x"))
	program.Mode = 0o6755
	program.Xattrs = []archive.Xattr{{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}, {Name: "trusted.x", Value: "1"}, {Name: "user.x", Value: ""}}
	l := owned(link("l", "program"))
	l.Xattrs = []archive.Xattr{{Name: "trusted.link", Value: "2"}}
	d := owned(directory("d"))
	d.Mode = 0o3750
	d.Xattrs = []archive.Xattr{{Name: "user.d", Value: "3"}}
	all := archive.Preserve{Owners: true, Xattrs: true, Special: true}
	s := send(t, "tree", program, l, d, owned(item{Entry: archive.Entry{Path: "null", Type: archive.CharDevice, Mode: 0o666, Seconds: 5, Major: 1, Minor: 3}}),
		owned(item{Entry: archive.Entry{Path: "p", Type: archive.FIFO, Mode: 0o620, Seconds: 6}}))
	r := at(t, filepath.Join(dir, "all"), Config{Preserve: all})
	r.receive(s)
	r.wantContent(r.in("tree"), s)
	r.wantHas(s, true)
	for _, i := range []item{program, l, d} {
		var st unix.Stat_t
		check(t, unix.Lstat(r.in("tree", i.Path), &st))
		if st.Uid != 1234 || st.Gid != 5678 {
			t.Errorf("%s belongs to %d:%d", i.Path, st.Uid, st.Gid)
		}
		for _, x := range i.Xattrs {
			b := make([]byte, 100)
			if n, err := unix.Lgetxattr(r.in("tree", i.Path), x.Name, b); err != nil || string(b[:n]) != x.Value {
				t.Errorf("%s has %s %q, %v", i.Path, x.Name, b[:max(n, 0)], err)
			}
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(r.in("tree", "null"), &st); err != nil || uint64(st.Rdev) != unix.Mkdev(1, 3) {
		t.Errorf("the device is %x, %v", st.Rdev, err)
	}
	r = r.again(Config{}) // without them, it is another directory
	if path, err := r.Has(t.Context(), s.m); path != "" || err != nil {
		t.Errorf("got %q, %v", path, err)
	}
	r.wantError(r.try(s), "--preserve special")
}

func TestFewDescriptorsAreEnough(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	var limit syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	lower := limit
	r.step = func(name string) {
		if name == "extract" {
			lower.Cur = 3 // none can be opened
			check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower))
		}
	}
	_, err := r.Learn(t.Context(), recent(t).m, recent(t).inventory)
	check(t, err)
	s := recent(t)
	_, err = r.Commit(t.Context(), s.m, bytes.NewReader(s.archive), nil)
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	r.wantError(err, "ulimit -n")
	r.wantContent(r.in("tree"), old(t))
	r.step = func(string) {}
	r = r.again(Config{})
	r.wantFiles("tree")

	before := descriptors(t)
	most := 0
	r.step = func(string) { most = max(most, descriptors(t)-before) }
	r.receive(send(t, "tree", everything()...))
	r.Wait(t.Context())
	if most > 8 {
		t.Errorf("%d descriptors were open", most)
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}
