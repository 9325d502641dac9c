// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver/installed/state"
)

func journalIn(t *testing.T, dir string, trusted ...keys.SecretKey) *Journal {
	t.Helper()
	var public []proto.PublicKey
	for _, k := range trusted {
		public = append(public, k.Public())
	}
	j, err := OpenJournal(dir, "fw", public)
	check(t, err)
	t.Cleanup(j.Close)
	j.Rules = state.Rules{Attempts: 3, Pause: time.Minute}
	return j
}

func signed(sequence uint64, by ...keys.SecretKey) *proto.Manifest {
	m := &proto.Manifest{Name: "fw.bin", Channel: "fw", Sequence: sequence}
	m.Descriptor.Params = proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: 7}
	m.Descriptor.SHA256[0] = byte(sequence)
	for _, k := range by {
		m.Signatures = append(m.Signatures, k.Sign(m))
	}
	return m
}

func arrive(t *testing.T, j *Journal, m *proto.Manifest) *Record {
	t.Helper()
	r, _, err := j.Arrive(m, "/fw/\n\"fw\".bin", "", false)
	check(t, err)
	return r
}

func happens(t *testing.T, j *Journal, r *Record, events ...state.Event) *Record {
	t.Helper()
	for _, e := range events {
		var ok bool
		var err error
		if r, ok, err = j.Happens(r, e, "because\x00 of \"it\"\n"); err != nil || !ok {
			t.Fatalf("%v: got %t, %v", e, ok, err)
		}
	}
	return r
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, key)
	r := happens(t, j, arrive(t, j, signed(7, key)), state.Starts, state.Fails)
	got, err := journalIn(t, dir, key).Of("", "")
	r.Root = key.Public().ID.String()
	r.At.Uptime = r.At.Uptime.Truncate(time.Millisecond)
	if err != nil || got.text() != r.text() || got.State != state.Received || got.Attempts != 1 || !got.Is(r.Manifest) || got.Why != r.Why {
		t.Errorf("got %+v, %v, want %+v", got, err, r)
	}
}

// A release that two keys have signed is known to each of them.
func TestARecordIsKeptForEveryKeyThatHasSigned(t *testing.T) {
	one, two, other := keys.Generate(), keys.Generate(), keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, one, two, other)
	happens(t, j, arrive(t, j, signed(7, one, two)), state.Starts, state.Succeeds)
	for _, k := range []keys.SecretKey{one, two} {
		if r, err := journalIn(t, dir, k).Of("", ""); err != nil || r == nil || r.State != state.Installed {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	if r, err := journalIn(t, dir, other).Of("", ""); r != nil || err != nil {
		t.Errorf("a key that has not signed it: got %+v, %v", r, err)
	}
}

// A power cut came after a step was recorded for one of two keys.
func TestTheLatestOfTwoRecordsCounts(t *testing.T) {
	one, two := keys.Generate(), keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, one, two)
	r := happens(t, j, arrive(t, j, signed(7, one, two)), state.Starts)
	old, err := os.ReadFile(filepath.Join(dir, j.fileName(two.Public().ID.String(), "", "")))
	check(t, err)
	happens(t, j, r, state.Succeeds)
	check(t, os.WriteFile(filepath.Join(dir, j.fileName(two.Public().ID.String(), "", "")), old, 0o600))
	for _, order := range [][]keys.SecretKey{{one, two}, {two, one}} {
		if r, err := journalIn(t, dir, order...).Of("", ""); err != nil || r.State != state.Installed {
			t.Errorf("got %+v, %v, want that it is installed", r, err)
		}
	}
}

// "iotupd installed" comes while the command runs.
func TestWhatAnotherProcessHasRecordedCounts(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, key)
	r := happens(t, j, arrive(t, j, signed(7, key)), state.Starts)
	changed, err := Change(dir, "fw", state.Recorded, func(*Record) bool { return true })
	if err != nil || len(changed) != 1 {
		t.Errorf("got %+v, %v", changed, err)
	}
	if r := happens(t, j, r, state.Fails); r.State != state.Installed {
		t.Errorf("got %+v", r)
	}
	if changed, err := Change(dir, "another channel", state.Retries, func(*Record) bool { return true }); err != nil || changed != nil {
		t.Errorf("got %+v, %v", changed, err)
	}
}

// A record that cannot be read must not count as none.
func TestADamagedRecordIsRefused(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, key)
	arrive(t, j, signed(7, key))
	path := filepath.Join(dir, j.fileName(key.Public().ID.String(), "", ""))
	whole, err := os.ReadFile(path)
	check(t, err)
	for _, text := range []string{
		"", recordHead, string(whole) + "\n", strings.Replace(string(whole), "received", "installed", 1),
		strings.Replace(string(whole), "attempts 0", "attempts -1", 1), strings.Repeat("x", 2*maxRecordLen),
	} {
		write(t, path, text)
		if _, err := j.Of("", ""); !errors.As(err, new(*DamagedRecordError)) {
			t.Errorf("%.80q: got %v", text, err)
		}
		if _, _, err := j.Arrive(signed(8, key), "", "", false); !errors.As(err, new(*DamagedRecordError)) {
			t.Errorf("%.80q was overwritten", text)
		}
	}
	for n := range len(whole) { // any byte
		damaged := append([]byte{}, whole...)
		damaged[n] ^= 1
		if r, err := parseRecord(string(damaged)); err == nil {
			t.Fatalf("byte %d: got %+v", n, r)
		}
	}
}

// "a lock that cannot be had is an error": work does not go on without it.
func TestALockThatCannotBeHadIsAnError(t *testing.T) {
	defer func(before time.Duration) { lockTimeout = before }(lockTimeout)
	lockTimeout = 20 * time.Millisecond
	dir := t.TempDir()
	key := keys.Generate()
	memory, j := stateIn(t, dir, "fw"), journalIn(t, dir, key)
	r := arrive(t, j, signed(7, key))
	root, err := os.OpenRoot(dir)
	check(t, err)
	defer root.Close()
	lock, err := lockFile(root, "lock", lockTimeout)
	check(t, err)
	var locked *LockedError
	if err := memory.Record(only(oldKey), "", release(7)); !errors.As(err, &locked) {
		t.Errorf("got %v", err)
	}
	if _, _, err := j.Happens(r, state.Starts, ""); !errors.As(err, &locked) {
		t.Errorf("got %v", err)
	}
	lock.Close()
	happens(t, j, r, state.Starts)
	check(t, os.Remove(filepath.Join(dir, "lock")))
	check(t, os.Mkdir(filepath.Join(dir, "lock"), 0o700))
	if _, _, err := j.Happens(r, state.Fails, ""); !errors.As(err, &locked) || locked.Err == nil {
		t.Errorf("got %v, want why it cannot be locked", err)
	}
}
