// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/receiver"
)

var (
	oldKey = proto.PublicKey{ID: proto.KeyID{1}}
	newKey = proto.PublicKey{ID: proto.KeyID{2}}
)

func release(sequence uint64) receiver.Release {
	return receiver.Release{Sequence: sequence, Object: proto.ObjectID{byte(sequence)}}
}

func only(key proto.PublicKey) []proto.PublicKey { return []proto.PublicKey{key} }

// stateIn opens the states of a directory as another process would, one that
// trusts the old key unless told otherwise.
func stateIn(t *testing.T, dir, channel string, keys ...proto.PublicKey) *state {
	t.Helper()
	if keys == nil {
		keys = []proto.PublicKey{oldKey}
	}
	s, err := openState(dir, channel, keys)
	check(t, err)
	t.Cleanup(s.close)
	return s
}

// wantInstalled wants one release for each of the trusted keys, zero for none.
func wantInstalled(t *testing.T, s *state, want ...receiver.Release) {
	t.Helper()
	all, err := s.installed()
	for i, key := range s.keys {
		if got := all[key.ID]; err != nil || got != want[i] {
			t.Errorf("got %+v, %v, want %+v", got, err, want[i])
		}
	}
}

func TestWhatWasInstalledIsRememberedByChannel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	s := stateIn(t, dir, "fw")
	wantInstalled(t, s, receiver.Release{})
	check(t, s.record(only(oldKey), release(7)))
	wantInstalled(t, stateIn(t, dir, "fw"), release(7))
	hostile := stateIn(t, dir, "../fw\"\n\x00é/")
	wantInstalled(t, hostile, receiver.Release{})
	check(t, hostile.record(only(oldKey), release(2)))
	wantInstalled(t, hostile, release(2))
	wantInstalled(t, stateIn(t, dir, "fw"), release(7))
}

// A key that is not trusted any more has no say.
func TestWhatWasInstalledIsThatOfTheTrustedKeys(t *testing.T) {
	dir := t.TempDir()
	check(t, stateIn(t, dir, "fw", oldKey).record(only(oldKey), release(7)))
	wantInstalled(t, stateIn(t, dir, "fw", newKey), receiver.Release{})
	both := stateIn(t, dir, "fw", newKey, oldKey)
	wantInstalled(t, both, receiver.Release{}, release(7))
	check(t, both.record(only(newKey), release(8)))
	wantInstalled(t, both, release(8), release(7))
	wantInstalled(t, stateIn(t, dir, "fw", oldKey), release(7))
}

// "the receiver remembers, for every trusted key that signed, the sequence and the
// object id" spec.md 7.2. A key that is trusted alone some day has its say then,
// and what it has signed with a higher sequence stays.
func TestEverySignerIsRemembered(t *testing.T) {
	dir := t.TempDir()
	both := stateIn(t, dir, "fw", oldKey, newKey)
	check(t, both.record(only(newKey), release(12)))
	check(t, both.record([]proto.PublicKey{oldKey, newKey}, release(10)))
	wantInstalled(t, stateIn(t, dir, "fw", oldKey), release(10))
	wantInstalled(t, stateIn(t, dir, "fw", newKey), release(12))
}

func TestTheHighestSequenceStays(t *testing.T) {
	dir := t.TempDir()
	var writers sync.WaitGroup
	for sequence := range uint64(20) {
		s := stateIn(t, dir, "fw")
		writers.Go(func() {
			if err := s.record(only(oldKey), release(sequence)); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	s := stateIn(t, dir, "fw")
	wantInstalled(t, s, release(19))
	(&delivery{T: t, dir: dir}).wantFiles("lock", s.fileName(oldKey.ID))
}

func TestAnAllowedDowngradeIsWhatIsInstalled(t *testing.T) {
	s := stateIn(t, t.TempDir(), "fw", oldKey, newKey)
	check(t, s.record(only(oldKey), release(7)))
	s.downgrade = true
	check(t, s.record(only(newKey), release(5)))
	wantInstalled(t, s, release(5), release(5))
}

// A state that cannot be read must not count as none.
func TestADamagedStateIsRefused(t *testing.T) {
	s := stateIn(t, t.TempDir(), "fw", newKey, oldKey)
	whole := s.text(oldKey.ID, release(7))
	damaged := []string{
		"", "iotupd installed v1\n", whole[:len(whole)-1], whole + "\n", whole + whole,
		strings.Replace(whole, "sequence 7", "sequence 6", 1),
		strings.Replace(whole, "sequence 7", "sequence 07", 1),
		strings.Replace(whole, "v1", "v2", 1),
		strings.Replace(whole, "object 07", "object 08", 1),
		s.text(newKey.ID, release(7)),
		(&state{channel: "other"}).text(oldKey.ID, release(7)),
		strings.Repeat("x", 2*maxStateLen),
	}
	for _, text := range damaged {
		write(t, s.path(oldKey.ID), text)
		_, err := s.installed()
		(&delivery{T: t}).wantError(err, cli.ExitPolicy, "is damaged, so that an older release could not be told from a newer one: find out")
		if err := s.record(only(oldKey), release(8)); cli.ExitCode(err) != cli.ExitPolicy {
			t.Errorf("%q was overwritten", text)
		}
	}
	write(t, s.path(oldKey.ID), whole)
	wantInstalled(t, s, receiver.Release{}, release(7))
}

func TestAPlaceWhereNothingCanBeRememberedIsToldAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	_, err := openState(filepath.Join(file, "state"), "fw", nil)
	(&delivery{T: t}).wantError(err, cli.ExitLocalIO, "what is installed cannot be remembered there: not a directory")
}

func TestTheDefaultPlaceOfStates(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "/home/user")
	if os.Geteuid() == 0 {
		if got := defaultStateDir(); got != "/var/lib/iotupd" {
			t.Errorf("got %q for root", got)
		}
		return
	}
	if got, want := defaultStateDir(), filepath.FromSlash("/home/user/.local/state/iotupd"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got := defaultStateDir(); strings.Contains(got, "relative") {
		t.Errorf("got %q", got)
	}
	t.Setenv("XDG_STATE_HOME", "/xdg")
	if got, want := defaultStateDir(), filepath.FromSlash("/xdg/iotupd"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAStateThatCannotBeWrittenIsAnError(t *testing.T) {
	s := stateIn(t, t.TempDir(), "fw")
	check(t, os.Mkdir(s.path(oldKey.ID), 0o777))
	if err := s.record(only(oldKey), release(1)); cli.ExitCode(err) != cli.ExitLocalIO || errors.Is(err, errState) {
		t.Errorf("got %v", err)
	}
}
