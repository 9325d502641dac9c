// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"iotupd/receiver/filestore"
)

// access is who can use a file.
type access struct {
	user, group int
	mode        os.FileMode
}

func accessOf(t *testing.T, path string) access {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	return access{int(stat.Uid), int(stat.Gid), info.Mode().Perm()}
}

// anybodysFile makes an old file that others can change, of another user where that
// is possible.
func anybodysFile(t *testing.T, path string) access {
	t.Helper()
	check(t, os.WriteFile(path, []byte("old"), 0o666))
	check(t, os.Chmod(path, 0o666))
	os.Chown(path, 1234, 1235) // for root
	return accessOf(t, path)
}

func TestNobodyElseCanChangeAFileThatIsBeingInstalled(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fw.bin")
	old := anybodysFile(t, path)
	cfg := func() Config { return Config{Target: filestore.Dir(dir), KeepPending: true} }
	install := func(result error) InstallFunc {
		return func(_ context.Context, file *Received) error {
			if got := accessOf(t, file.Path); got.user != os.Geteuid() || got.mode&0o022 != 0 {
				t.Errorf("the command gets a file with %+v", got)
			}
			return result
		}
	}
	broken := errors.New("no slot is free")
	got, err := newStation(t, cfg()).receive(fw)
	check(t, err)
	if err := got.Install(t.Context(), install(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}

	got, err = newStation(t, cfg()).receive(fw) // another process, later
	check(t, err)
	if got.New {
		t.Error("it is received again")
	}
	check(t, got.Install(t.Context(), install(nil)))
	if after := accessOf(t, path); after != old {
		t.Errorf("got %+v after it was installed, want %+v as before", after, old)
	}
	wantFiles(t, dir, "fw.bin")
}

// It is not known whether others have changed it since it was verified.
func TestAPendingFileThatOthersCanChangeIsReceivedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fw.bin")
	cfg := func() Config { return Config{Target: filestore.Dir(dir), KeepPending: true} }
	_, err := newStation(t, cfg()).receive(fw)
	check(t, err)
	check(t, os.Chmod(path, 0o666))
	got, err := newStation(t, cfg()).receive(fw)
	check(t, err)
	if !got.New || !got.Pending || accessOf(t, path).mode&0o022 != 0 {
		t.Errorf("got %+v with %+v", got, accessOf(t, path))
	}
}

// A note, a link and a directory may be of somebody else: a file is given away only if
// it is the verified one.
func TestOnlyTheVerifiedFileIsGivenAway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fw.bin")
	anybodysFile(t, path)
	got, err := newStation(t, Config{Target: filestore.Dir(dir), KeepPending: true}).receive(fw)
	check(t, err)
	check(t, got.Install(t.Context(), func(context.Context, *Received) error {
		check(t, os.Remove(path))
		return os.WriteFile(path, []byte("secret"), 0o600)
	}))
	if after := accessOf(t, path); after.user != os.Geteuid() || after.mode != 0o600 {
		t.Errorf("another file was given away: %+v", after)
	}
}
