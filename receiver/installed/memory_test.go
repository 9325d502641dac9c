// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(content), 0o600))
}

var (
	oldKey = proto.PublicKey{ID: proto.KeyID{1}}
	newKey = proto.PublicKey{ID: proto.KeyID{2}}
)

func release(sequence uint64) receiver.Release {
	return receiver.Release{Sequence: sequence, Object: proto.ObjectID{byte(sequence)}}
}

func series(key proto.PublicKey) receiver.Series { return receiver.Series{Key: key.ID} }

func only(key proto.PublicKey) []proto.PublicKey { return []proto.PublicKey{key} }

// stateIn opens the states of a directory as another process would, one that
// trusts the old key by default.
func stateIn(t *testing.T, dir, channel string, keys ...proto.PublicKey) *Memory {
	t.Helper()
	if keys == nil {
		keys = []proto.PublicKey{oldKey}
	}
	s, err := Open(dir, channel, keys)
	check(t, err)
	t.Cleanup(s.Close)
	return s
}

// wantInstalled wants one release for each of the trusted keys, zero for none.
func wantInstalled(t *testing.T, s *Memory, want ...receiver.Release) {
	t.Helper()
	all, err := s.Releases()
	for i, key := range s.keys {
		if got := all[series(key)]; err != nil || got != want[i] {
			t.Errorf("got %+v, %v, want %+v", got, err, want[i])
		}
	}
}

func TestWhatWasInstalledIsRememberedByChannel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	s := stateIn(t, dir, "fw")
	wantInstalled(t, s, receiver.Release{})
	check(t, s.Record(only(oldKey), "", release(7)))
	wantInstalled(t, stateIn(t, dir, "fw"), release(7))
	hostile := stateIn(t, dir, "../fw\"\n\x00é/")
	wantInstalled(t, hostile, receiver.Release{})
	check(t, hostile.Record(only(oldKey), "", release(2)))
	wantInstalled(t, hostile, release(2))
	wantInstalled(t, stateIn(t, dir, "fw"), release(7))
}

// A key that is not trusted any more has no say.
func TestInstalledReleasesAreThoseSignedByTrustedKeys(t *testing.T) {
	dir := t.TempDir()
	check(t, stateIn(t, dir, "fw", oldKey).Record(only(oldKey), "", release(7)))
	wantInstalled(t, stateIn(t, dir, "fw", newKey), receiver.Release{})
	both := stateIn(t, dir, "fw", newKey, oldKey)
	wantInstalled(t, both, receiver.Release{}, release(7))
	check(t, both.Record(only(newKey), "", release(8)))
	wantInstalled(t, both, release(8), release(7))
	wantInstalled(t, stateIn(t, dir, "fw", oldKey), release(7))
}

// "the receiver remembers, for every trusted key that signed, the sequence and the
// object id" spec.md 7.2. A key that is trusted alone some day has its say then,
// and what it has signed with a higher sequence stays.
func TestEverySignerIsRemembered(t *testing.T) {
	dir := t.TempDir()
	both := stateIn(t, dir, "fw", oldKey, newKey)
	check(t, both.Record(only(newKey), "", release(12)))
	check(t, both.Record([]proto.PublicKey{oldKey, newKey}, "", release(10)))
	wantInstalled(t, stateIn(t, dir, "fw", oldKey), release(10))
	wantInstalled(t, stateIn(t, dir, "fw", newKey), release(12))
}

func TestTheHighestSequenceStays(t *testing.T) {
	dir := t.TempDir()
	var writers sync.WaitGroup
	for sequence := range uint64(20) {
		s := stateIn(t, dir, "fw")
		writers.Go(func() {
			defer s.Close()
			if err := s.Record(only(oldKey), "", release(sequence)); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	s := stateIn(t, dir, "fw")
	wantInstalled(t, s, release(19))
	s.Close()
	var files []string
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if want := []string{s.fileName(series(oldKey)), "lock"}; !slices.Equal(files, want) {
		t.Errorf("got files %q, want %q", files, want)
	}
}

func TestAnAllowedDowngradeIsWhatIsInstalled(t *testing.T) {
	s := stateIn(t, t.TempDir(), "fw", oldKey, newKey)
	check(t, s.Record(only(oldKey), "", release(7)))
	s.AllowDowngrade = true
	check(t, s.Record(only(newKey), "", release(5)))
	wantInstalled(t, s, release(5), release(5))
}

// A state that cannot be read must not count as none.
func TestADamagedStateIsRefused(t *testing.T) {
	s := stateIn(t, t.TempDir(), "fw", newKey, oldKey)
	whole := s.text(series(oldKey), release(7))
	damaged := []string{
		"", "iotupd installed v1\n", whole[:len(whole)-1], whole + "\n", whole + whole,
		strings.Replace(whole, "sequence 7", "sequence 6", 1),
		strings.Replace(whole, "sequence 7", "sequence 07", 1),
		strings.Replace(whole, "v1", "v2", 1),
		strings.Replace(whole, "object 07", "object 08", 1),
		s.text(series(newKey), release(7)),
		(&Memory{channel: "other"}).text(series(oldKey), release(7)),
		strings.Repeat("x", 2*maxStateLen),
	}
	for _, text := range damaged {
		write(t, s.path(s.fileName(series(oldKey))), text)
		_, err := s.Releases()
		if damaged := new(*DamagedError); !errors.As(err, damaged) || (*damaged).Path != s.path(s.fileName(series(oldKey))) {
			t.Errorf("%q: got %v, want that it is damaged", text, err)
		}
		if err := s.Record(only(oldKey), "", release(8)); !errors.As(err, new(*DamagedError)) {
			t.Errorf("%q was overwritten", text)
		}
	}
	write(t, s.path(s.fileName(series(oldKey))), whole)
	wantInstalled(t, s, receiver.Release{}, release(7))
}

func TestAPlaceWithoutRoomForTheStateIsReportedAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	_, err := Open(filepath.Join(file, "state"), "fw", nil)
	if want := filepath.Join(file, "state") + ": what is installed cannot be remembered there: not a directory"; !errors.As(err, new(*DirError)) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheDefaultPlaceOfStates(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "/home/user")
	if os.Geteuid() == 0 {
		if got := DefaultDir(); got != "/var/lib/iotupd" {
			t.Errorf("got %q for root", got)
		}
		return
	}
	if got, want := DefaultDir(), filepath.FromSlash("/home/user/.local/state/iotupd"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got := DefaultDir(); strings.Contains(got, "relative") {
		t.Errorf("got %q", got)
	}
	t.Setenv("XDG_STATE_HOME", "/xdg")
	if got, want := DefaultDir(), filepath.FromSlash("/xdg/iotupd"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAStateThatCannotBeWrittenIsAnError(t *testing.T) {
	s := stateIn(t, t.TempDir(), "fw")
	check(t, os.Mkdir(s.path(s.fileName(series(oldKey))), 0o777))
	if err := s.Record(only(oldKey), "", release(1)); !errors.As(err, new(*Error)) {
		t.Errorf("got %v", err)
	}
}
