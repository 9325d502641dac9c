// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"iotupd/proto"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/multicast"
)

// A note that cannot be written is told before anything is received: with a known name
// before anybody is listened to.
func TestANoteThatCannotBeWrittenIsToldBeforeAnythingIsReceived(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, ".fw.bin.iotupd-exec", "in the way"), 0o777))
	s := newStation(t, Config{Target: filestore.File(filepath.Join(dir, "fw.bin")), KeepPending: true})
	_, err := s.Agent.receive(t.Context(), func() (multicast.Listener, error) {
		return nil, errors.New("it listens")
	})
	if !errors.As(err, new(*installed.Error)) {
		t.Errorf("got %v, want what is wrong with the note", err)
	}
	_, err = newStation(t, Config{Target: filestore.Dir(dir), KeepPending: true}).receive2(t.Context(), fw)
	if !errors.As(err, new(*installed.Error)) {
		t.Errorf("got %v, want what is wrong with the note", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "fw.bin")); err == nil {
		t.Error("the file is in place")
	}
}

// A failed Commit changes nothing of the old file, whose installation is pending.
func TestAfterAFailedCommitTheOldFileIsPendingStill(t *testing.T) {
	dir := t.TempDir()
	note := filepath.Join(dir, ".fw.bin.iotupd-exec")
	check(t, os.WriteFile(note, []byte("about the old file\n"), 0o600))
	target := &brokenCommit{FileTarget: filestore.Dir(dir)}
	_, err := newStation(t, Config{Target: target, KeepPending: true}).receive2(t.Context(), fw)
	if !errors.Is(err, errBroken) {
		t.Fatalf("got %v, want that it cannot be put into place", err)
	}
	if sum := sha256.Sum256(fw.content); string(target.note) != hex.EncodeToString(sum[:])+"\n" {
		t.Errorf("the note said %q when the file was to be put into place", target.note)
	}
	if b, err := os.ReadFile(note); err != nil || string(b) != "about the old file\n" {
		t.Errorf("the note says %q, %v", b, err)
	}
}

var errBroken = errors.New("the disk is broken")

// A brokenCommit cannot put a file into place.
type brokenCommit struct {
	*filestore.FileTarget
	note []byte // what it said then
}

func (t *brokenCommit) Commit(_ context.Context, m *proto.Manifest) (string, error) {
	dir, name := t.Beside(m)
	t.note, _ = os.ReadFile(filepath.Join(dir.Name(), "."+name+".iotupd-exec"))
	return "", errBroken
}
