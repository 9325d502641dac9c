// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package filestore

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheOwnerOfTheOldFileIsKept(t *testing.T) {
	d := to(t, "fw.bin")
	path := filepath.Join(d.dir, "fw.bin")
	write(t, path, "old")
	if err := os.Chown(path, 1000, 1001); err != nil {
		t.Skip("only root gives files away: ", err)
	}
	check(t, os.Chmod(path, 0o640))
	d.receive("new")
	_, err := d.Commit(t.Context(), objectOf("", "new"))
	check(t, err)
	info, err := os.Stat(path)
	check(t, err)
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 1000 || stat.Gid != 1001 || info.Mode() != 0o640 {
		t.Errorf("got owner %d, group %d, mode %v", stat.Uid, stat.Gid, info.Mode())
	}
}

// Where the group cannot be kept, another one must not read what it could not.
func TestAnotherGroupMayOnlyWhatAllMay(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "part"))
	check(t, err)
	check(t, f.Close()) // so that its owner cannot be changed
	for old, want := range map[os.FileMode]os.FileMode{0o640: 0o600, 0o644: 0o644, 0o775: 0o755, 0o600: 0o600, 0o604: 0o604} {
		path := filepath.Join(dir, "old")
		write(t, path, "")
		check(t, os.Chmod(path, old))
		info, err := os.Stat(path)
		check(t, err)
		if got := ownersOf(info).give(f); got != want {
			t.Errorf("of mode %v: got %v, want %v", old, got, want)
		}
	}
}

func TestAPartialFileThatAnotherUserHasLeftIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	d := to(t, "fw.bin")
	part := filepath.Join(d.dir, ".fw.bin.iotupd-part")
	write(t, part, "left by root")
	check(t, os.Chmod(part, 0o600))
	info, err := os.Lstat(part)
	check(t, err)
	check(t, os.Chown(part, 1234, 1234))
	other, err := os.Lstat(part)
	check(t, err)
	for _, test := range []struct {
		info os.FileInfo
		want string
	}{
		{other, "the user with the number 1234; remove it, or receive as that user: sudo rm " + part},
		{info, "permission denied"}, // of this user: something else is in the way
	} {
		if err := d.FileTarget.dir.foreign(".fw.bin.iotupd-part", test.info); !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
