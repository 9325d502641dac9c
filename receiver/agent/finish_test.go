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
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
)

// A record that cannot be written is reported before anything is received: with a known
// name before anybody is listened to.
func TestARecordThatCannotBeWrittenIsReportedBeforeAnythingIsReceived(t *testing.T) {
	dir, stateDir := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "fw.bin")
	check(t, os.MkdirAll(filepath.Join(stateDir, recordName(path), "in the way"), 0o777))
	s := newStation(t, Config{Target: filestore.File(path), KeepPending: true, State: stateDir})
	_, err := s.Agent.receive(t.Context(), func() (multicast.Listener, error) {
		return nil, errors.New("it listens")
	})
	if !errors.As(err, new(*installed.Error)) {
		t.Errorf("got %v, want what is wrong with the record", err)
	}
	_, err = newStation(t, Config{Target: filestore.Dir(dir), KeepPending: true, State: stateDir}).receive2(t.Context(), fw)
	if !errors.As(err, new(*installed.Error)) {
		t.Errorf("got %v, want what is wrong with the record", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is in place")
	}
}

// recordName is the name of the record of a file that is not signed.
func recordName(path string) string {
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:8]) }
	return hash("test") + "-unsigned-" + hash(path) + ".state"
}

// A failed Commit changes nothing of the old file, whose installation is pending.
func TestAfterAFailedCommitTheOldFileIsPendingStill(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Target: filestore.Dir(dir), KeepPending: true}
	_, err := newStation(t, cfg).receive2(t.Context(), fw)
	check(t, err)
	newer := fw
	newer.content = []byte("newer")
	target := &brokenCommit{FileTarget: filestore.Dir(dir), t: t}
	_, err = newStation(t, Config{Target: target, KeepPending: true}).receive2(t.Context(), newer)
	if !errors.Is(err, errBroken) {
		t.Fatalf("got %v, want that it cannot be put into place", err)
	}
	if target.record == nil || target.record.State != state.Received || target.record.Manifest.Descriptor.Size != 5 {
		t.Errorf("the record was %+v when the file was to be put into place", target.record)
	}
	cfg.Target = filestore.Dir(dir)
	if got, err := newStation(t, cfg).Pending(t.Context()); err != nil || got == nil || got.Manifest.Descriptor.Size == 5 {
		t.Errorf("got %+v, %v, want the old file", got, err)
	}
}

var errBroken = errors.New("the disk is broken")

// A brokenCommit cannot put a file into place.
type brokenCommit struct {
	*filestore.FileTarget
	t      *testing.T
	record *installed.Record // what it was then
}

func (b *brokenCommit) Commit(_ context.Context, m *proto.Manifest) (string, error) {
	all, err := installed.ReadAll(stateOf(b.t))
	if err == nil && len(all) == 1 {
		b.record = all[0]
	}
	return "", errBroken
}
