// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheUpperDirectoryOfAnOverlayIsFound(t *testing.T) {
	const mounts = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:35 / /a rw,relatime shared:3 - overlay overlay rw,lowerdir=/,upperdir=/ram/up\040per,workdir=/ram/wk
41 22 0:36 / /b rw - overlay overlay ro,lowerdir=/x:/y
broken
`
	for minor, want := range map[uint32]string{35: "/ram/up per", 36: "", 37: ""} {
		if got := upperOf(mounts, 0, minor); got != want {
			t.Errorf("0:%d: got %q, want %q", minor, got, want)
		}
	}
}

func TestAStateInMemoryDoesNotLast(t *testing.T) {
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) != nil || int64(fs.Type) != unix.TMPFS_MAGIC {
		t.Skip("/dev/shm is not a tmpfs here")
	}
	for _, dir := range []string{"/dev/shm", "/dev/shm/not/made/yet"} {
		if err := Lasting(dir); !errors.As(err, new(*DirError)) || !errors.Is(err, ErrInMemory) || IsReadOnly(dir) {
			t.Errorf("%s: got %v, want that it is in memory", dir, err)
		}
	}
}

func TestAStateOnADiskLasts(t *testing.T) {
	dir := t.TempDir()
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil || inMemory(&fs) {
		t.Skip("the temporary directory is in memory")
	}
	if err := Lasting(filepath.Join(dir, "state")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("it was made")
	}
}
