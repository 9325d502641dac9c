// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/proto"
)

// ownMounts gives the test mounts of its own. It has a thread of its own from then on,
// so it must not start subtests.
func ownMounts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread ends with the test
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	unable(t, "mounts of its own need root", err)
}

// unable skips the test if there is an error, or fails it where nothing may be missing.
func unable(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("IOTUPD_REQUIRE_NETNS") == "1":
		t.Fatalf("%s: %v, and IOTUPD_REQUIRE_NETNS=1 asks for all tests", what, err)
	default:
		t.Skipf("%s: %v", what, err)
	}
}

func mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", kind, dir, err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

// setAttribute sets what chattr sets, until the end of the test. The flags of the ioctl
// are those of statx.
func setAttribute(t *testing.T, path string, flag int) {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	old, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(old)|flag)
	}
	unable(t, "no attributes of files here", err)
	t.Cleanup(func() {
		unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(old))
		f.Close()
	})
}

// withoutPower takes the right away to replace files of others in directories with the
// sticky bit, which root has, from this thread.
func withoutPower(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var old, less [2]unix.CapUserData
	err := unix.Capget(&header, &old[0])
	less = old
	less[0].Effective &^= 1 << unix.CAP_FOWNER
	if err == nil {
		err = unix.Capset(&header, &less[0])
	}
	unable(t, "no capabilities", err)
	t.Cleanup(func() { unix.Capset(&header, &old[0]) })
}

func TestATargetThatCannotBeReplacedIsRefusedBeforeAnythingIsReceived(t *testing.T) {
	tests := []struct {
		what string
		make func(file, dir string)
		want string // after the path of the file
	}{
		{"bind mount", func(file, _ string) { mount(t, file, file, "", unix.MS_BIND, "") }, " is a mount point"},
		{"immutable", func(file, _ string) { setAttribute(t, file, unix.STATX_ATTR_IMMUTABLE) }, " is immutable"},
		{"append-only", func(file, _ string) { setAttribute(t, file, unix.STATX_ATTR_APPEND) }, " is append-only"},
		{"of another user, sticky", func(file, dir string) {
			check(t, os.Chown(file, 1001, -1))
			check(t, os.Chown(dir, 1000, -1))
			check(t, os.Chmod(dir, 0o777|os.ModeSticky))
			withoutPower(t)
		}, " belongs to another user"},
	}
	ownMounts(t)
	for _, test := range tests {
		d := to(t, "")
		file := filepath.Join(d.dir, "fw.bin")
		write(t, file, "old")
		d.receive("new content and hashes")
		test.make(file, d.dir)
		want := file + test.want
		d.wantError(File(file).Prepare(), want)
		m := objectOf("fw.bin", "new content")
		_, err := d.Has(t.Context(), m)
		d.wantError(err, want)
		if path, err := d.Has(t.Context(), objectOf("fw.bin", "old")); path != file || err != nil {
			t.Errorf("%s: got %q, %v of the file that exists already", test.what, path, err)
		}
		_, err = d.Commit(t.Context(), m)
		d.wantError(err, want)
		d.wantContent(partOf(1), "new content and hashes")
		d.wantFiles("fw.bin", partOf(1))
	}
}

func TestADirectoryWhoseFilesCannotBeRenamedIsRefusedAndNothingIsLeftInIt(t *testing.T) {
	ownMounts(t)
	for flag, want := range map[int]string{unix.STATX_ATTR_IMMUTABLE: " is immutable", unix.STATX_ATTR_APPEND: " is append-only"} {
		dir := t.TempDir()
		setAttribute(t, dir, flag)
		d := &delivery{T: t, dir: dir}
		d.wantError(Dir(dir).Prepare(), "directory "+dir+want)
		d.wantError(File(filepath.Join(dir, "fw.bin")).Prepare(), "directory "+dir+want)
		d.wantFiles()
	}
}

func TestAPlaceWithoutRoomIsRefusedBeforeAnythingIsReceived(t *testing.T) {
	ownMounts(t)
	for _, options := range []string{"nr_inodes=2,size=1m", "size=16k"} {
		dir := t.TempDir()
		mount(t, "none", dir, "tmpfs", 0, options)
		write(t, filepath.Join(dir, "hog"), strings.Repeat("x", 4096))
		os.WriteFile(filepath.Join(dir, "hog"), make([]byte, 1<<16), 0o666) // as much as there is room for
		d := &delivery{T: t, dir: dir}
		d.wantError(File(filepath.Join(dir, "fw.bin")).Prepare(), "no space left on device")
		d.wantFiles("hog")
	}
}

// What the partial file needs it has.
func TestAFullDiskDoesNotStopWhatHasItsRoom(t *testing.T) {
	ownMounts(t)
	dir := t.TempDir()
	mount(t, "none", dir, "tmpfs", 0, "size=64k")
	d := (&delivery{T: t, dir: dir}).again("fw.bin")
	d.receive("content")
	d.Close()
	os.WriteFile(filepath.Join(dir, "hog"), make([]byte, 1<<17), 0o666)
	d = d.again("fw.bin")
	check(t, d.openObject(1, 7).Reserve(7))
	_, err := d.Commit(t.Context(), objectOf("", "content"))
	check(t, err)
	d.wantContent("fw.bin", "content")
}

func TestAReadOnlyFileSystemIsRefusedBeforeAnythingIsReceived(t *testing.T) {
	ownMounts(t)
	dir := t.TempDir()
	mount(t, "none", dir, "tmpfs", unix.MS_RDONLY, "")
	(&delivery{T: t}).wantError(Dir(dir).Prepare(), "read-only file system")
}

// encfs has room for 175 bytes in a name, and says that it were 189.
func TestTheFileSystemIsAskedHowLongNamesMayBe(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("this kernel has no FUSE: ", err)
	}
	ownMounts(t)
	_, err := exec.LookPath("encfs")
	unable(t, "no file system with short names", err)
	from, dir := t.TempDir(), t.TempDir()
	mounting := exec.Command("encfs", "-S", "--standard", from, dir)
	mounting.Stdin = strings.NewReader("secret\n")
	out, err := mounting.CombinedOutput()
	unable(t, string(out), err)
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for _, n := range []int{100, 165, 175} {
		d := (&delivery{T: t, dir: dir}).again(strings.Repeat("n", n))
		d.receive("content")
		_, err := d.Commit(t.Context(), objectOf("", "content"))
		check(t, err)
		d.wantContent(strings.Repeat("n", n), "content")
	}
	d := (&delivery{T: t, dir: dir}).again("")
	_, err = d.Has(t.Context(), objectOf(strings.Repeat("n", 176), "content"))
	d.wantError(err, "the name has 176 bytes, and the file system has room for 175")
}

// onLoop mounts a new file system in a file of so many MiB, made by the words of a
// command.
func onLoop(t *testing.T, kind string, mib int64, words ...string) (dir string) {
	t.Helper()
	_, err := exec.LookPath(words[0])
	unable(t, "no "+kind, err)
	dir = t.TempDir()
	image := filepath.Join(t.TempDir(), "image")
	write(t, image, "")
	check(t, os.Truncate(image, mib<<20))
	out, err := exec.Command(words[0], append(words[1:], image)...).CombinedOutput()
	unable(t, fmt.Sprintf("%s: %s", words[0], out), err)
	out, err = exec.Command("mount", "-t", kind, "-o", "loop", image, dir).CombinedOutput()
	if bytes.Contains(out, []byte("unknown filesystem type")) {
		t.Skipf("this kernel has no %s: %s", kind, out)
	}
	unable(t, fmt.Sprintf("mount %s: %s", kind, out), err)
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// On btrfs, a block that is written again needs new space, and the old one is free only
// when all that was allocated with it has been written again.
func TestOnBtrfsReservedSpaceHoldsHoweverOftenBlocksAreWritten(t *testing.T) {
	ownMounts(t)
	dir := onLoop(t, "btrfs", 64, "mkfs.btrfs", "-q", "-M")
	d := (&delivery{T: t, dir: dir}).again("fw.bin")
	const size, room = 8 << 20, 5 << 20
	empty := freeOn(t, dir)
	s, err := d.Open(proto.ObjectID{1}, proto.Params{Size: size})
	check(t, err)
	check(t, s.Reserve(size))
	check(t, unix.Syncfs(int(d.part.file.Fd())))
	hog := freeOn(t, dir) - room
	write(t, filepath.Join(dir, "hog"), strings.Repeat("x", int(hog)))
	check(t, unix.Syncfs(int(d.part.file.Fd())))
	content := make([]byte, size)
	for round := range 4 { // every other block, and then again
		for at := 0; at < size; at += 2 * 4096 {
			content[at] = byte('0' + round)
			if _, err := s.WriteAt(content[at:at+4096], int64(at)); err != nil {
				t.Fatalf("round %d, at %d: %v", round, at, err)
			}
		}
		check(t, unix.Syncfs(int(d.part.file.Fd())))
	}
	_, err = d.Commit(t.Context(), objectOf("", string(content)))
	check(t, err)
	d.wantContent("fw.bin", string(content))
	if taken := empty - hog - freeOn(t, dir); taken > size+size/4 {
		t.Errorf("a file of %d bytes takes %d", size, taken)
	}
}

// The space was reserved, where the file system can do that, and is not there.
func TestADiskThatFillsUpMeanwhileIsReportedWithNumbers(t *testing.T) {
	d := to(t, "fw.bin")
	s := d.receive("content").(*store)
	err := s.noteFailure(&os.PathError{Op: "write", Err: unix.ENOSPC})
	if want := ".fw.bin" + PartSuffix + ": no space left on device: the file takes 7 B, and "; !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q", err, want)
	}
}

func freeOn(t *testing.T, dir string) int64 {
	t.Helper()
	var s unix.Statfs_t
	check(t, unix.Statfs(dir, &s))
	return int64(s.Bavail) * int64(s.Bsize)
}
