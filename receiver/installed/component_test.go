// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/receiver/installed/state"
)

// component returns a signed release of a component.
func component(name string, sequence uint64, by ...keys.SecretKey) *proto.Manifest {
	m := signed(sequence)
	m.Component = name
	for _, k := range by {
		m.Signatures = append(m.Signatures, k.Sign(m))
	}
	return m
}

// "the receiver remembers, for every trusted key that signed, the sequence and the object
// id" of a component: spec.md 7.2.
func TestEachComponentIsRememberedOnItsOwn(t *testing.T) {
	dir := t.TempDir()
	m := stateIn(t, dir, "fw")
	names := []string{"", "boot", "app", "\n\"sequence 9\ncomponent \"\"\n"}
	want := make(map[receiver.Series]receiver.Release)
	for i, c := range names {
		check(t, m.Record(only(oldKey), c, release(uint64(i+1))))
		want[receiver.Series{Key: oldKey.ID, Component: c}] = release(uint64(i + 1))
	}
	check(t, m.Record(only(oldKey), "boot", release(1))) // an older one changes nothing
	got, err := stateIn(t, dir, "fw").Releases()
	if err != nil || len(got) != len(want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for s, r := range want {
		if got[s] != r {
			t.Errorf("%+v: got %+v, want %+v", s, got[s], r)
		}
		one, err := Open(dir, "fw", only(oldKey), s.Component)
		check(t, err)
		if got, err := one.Releases(); err != nil || len(got) != 1 || got[s] != r {
			t.Errorf("%+v alone: got %+v, %v", s, got, err)
		}
		one.Close()
	}
	if got, err := stateIn(t, dir, "another channel").Releases(); err != nil || len(got) != 0 {
		t.Errorf("another channel: got %+v, %v", got, err)
	}
}

// Versions that know no components read the file, and find nothing that is new to them.
func TestAReleaseWithoutAComponentHasTheFileOfEarlierVersions(t *testing.T) {
	dir := t.TempDir()
	m := stateIn(t, dir, "fw")
	check(t, m.Record(only(oldKey), "", release(7)))
	check(t, m.Record(only(oldKey), "boot", release(9)))
	got, err := os.ReadFile(filepath.Join(dir, channelPrefix("fw")+oldKey.ID.String()+".installed"))
	want := "iotupd installed v1\nchannel \"fw\"\nkey 0100000000000000\nsequence 7\nobject 07000000000000000000000000000000\nchecksum "
	if err != nil || !strings.HasPrefix(string(got), want) || strings.Count(string(got), "\n") != 6 {
		t.Errorf("got %q, %v, want %q and the checksum", got, err, want)
	}
}

// A state that cannot be read must not count as none, and another service goes on.
func TestADamagedStateStopsWhoeverTakesItsComponent(t *testing.T) {
	dir := t.TempDir()
	m := stateIn(t, dir, "fw")
	check(t, m.Record(only(oldKey), "boot", release(7)))
	check(t, m.Record(only(oldKey), "app", release(8)))
	path := m.path(m.fileName(receiver.Series{Key: oldKey.ID, Component: "boot"}))
	whole, err := os.ReadFile(path)
	check(t, err)
	app := m.text(receiver.Series{Key: oldKey.ID, Component: "app"}, release(8))
	for _, text := range []string{"", app, strings.Replace(string(whole), `"boot"`, `""`, 1), strings.Replace(string(whole), `"boot"`, `"BOOT"`, 1)} {
		write(t, path, text)
		for components, damaged := range map[string]bool{"": true, "boot": true, "app": false} {
			all := strings.Fields(components)
			m, err := Open(dir, "fw", only(oldKey), all...)
			check(t, err)
			if _, err := m.Releases(); errors.As(err, new(*DamagedError)) != damaged {
				t.Errorf("components %q, %q: got %v", all, text, err)
			}
			m.Close()
		}
		if err := m.Record(only(oldKey), "boot", release(8)); !errors.As(err, new(*DamagedError)) {
			t.Errorf("%q was overwritten", text)
		}
	}
}

func TestAnAllowedDowngradeOfAComponentChangesNoOther(t *testing.T) {
	m := stateIn(t, t.TempDir(), "fw", oldKey, newKey)
	for _, c := range []string{"", "boot", "app"} {
		check(t, m.Record(only(oldKey), c, release(7)))
	}
	m.AllowDowngrade = true
	check(t, m.Record(only(newKey), "boot", release(5)))
	all, err := m.Releases()
	check(t, err)
	for s, want := range map[receiver.Series]uint64{
		{Key: oldKey.ID}: 7, {Key: oldKey.ID, Component: "app"}: 7,
		{Key: oldKey.ID, Component: "boot"}: 5, {Key: newKey.ID, Component: "boot"}: 5,
	} {
		if got := all[s].Sequence; got != want {
			t.Errorf("%+v: got %d, want %d", s, got, want)
		}
	}
}

func TestAPlaceKeepsToAComponent(t *testing.T) {
	dir := t.TempDir()
	m := stateIn(t, dir, "fw")
	want := func(place, component string, known bool) {
		t.Helper()
		if got, is, err := stateIn(t, dir, "fw").Kept(place); got != component || is != known || err != nil {
			t.Errorf("%s: got %q, %t, %v, want %q", place, got, is, err, component)
		}
	}
	want("/a", "", false)
	check(t, m.Keep("/a", "boot"))
	check(t, m.Keep("/b\n\"", ""))
	want("/a", "boot", true)
	want("/b\n\"", "", true)
	check(t, m.Keep("/a", "app"))
	want("/a", "app", true)
	want("", "", false)
	if _, known, err := stateIn(t, dir, "another channel").Kept("/a"); known || err != nil {
		t.Errorf("another channel: got %t, %v", known, err)
	}
	whole, err := os.ReadFile(m.path(m.keptName("/a")))
	check(t, err)
	for n := range len(whole) { // any byte
		damaged := append([]byte{}, whole...)
		damaged[n] ^= 1
		write(t, m.path(m.keptName("/a")), string(damaged))
		if _, _, err := m.Kept("/a"); !errors.As(err, new(*Error)) {
			t.Fatalf("byte %d: got %v", n, err)
		}
	}
}

// A release of one component arrives while another one is being installed.
func TestRecordsOfComponentsDoNotTouchEachOther(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, key)
	boot := happens(t, j, arrive(t, j, component("boot", 7, key)), state.Starts)
	lock, err := j.Lock(boot)
	check(t, err)
	defer lock.Close()
	app := arrive(t, j, component("app", 9, key))
	none := arrive(t, j, signed(3, key))
	appLock, err := j.Lock(app) // at the same time
	check(t, err)
	appLock.Close()
	happens(t, j, app, state.Starts, state.Succeeds)
	happens(t, j, boot, state.Fails)
	for c, want := range map[string]state.State{"boot": state.Received, "app": state.Installed, "": state.Received} {
		if r, err := j.Of("", c); err != nil || r.Component != c || r.State != want {
			t.Errorf("%q: got %+v, %v, want %v", c, r, err, want)
		}
	}
	if all, err := j.All(); err != nil || len(all) != 3 {
		t.Errorf("got %+v, %v", all, err)
	}
	one, err := OpenJournal(dir, "fw", j.keys, "boot")
	check(t, err)
	defer one.Close()
	if all, err := one.All(); err != nil || len(all) != 1 || all[0].Component != "boot" {
		t.Errorf("got %+v, %v", all, err)
	}
	check(t, j.Overtaken(none, Running{Sequence: 4}))
	changed, err := Change(dir, "fw", state.Retries, func(r *Record) bool { return r.Component == "boot" })
	if err != nil || len(changed) != 1 || changed[0].Component != "boot" {
		t.Errorf("got %+v, %v", changed, err)
	}
	if all, err := ReadAll(dir); err != nil || len(all) != 3 {
		t.Errorf("got %+v, %v", all, err)
	}
}

// Versions that know no components read all files called *.state.
func TestRecordsOfComponentsAreHiddenFromEarlierVersions(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	arrive(t, journalIn(t, dir, key), component("boot", 7, key))
	if found, err := filepath.Glob(filepath.Join(dir, "*.state")); err != nil || len(found) > 0 {
		t.Errorf("got %q, %v", found, err)
	}
}

// early writes a record as versions do that know no components: under the name of the key,
// whatever the component in the manifest is.
func early(t *testing.T, j *Journal, key keys.SecretKey, m *proto.Manifest, events ...state.Event) {
	t.Helper()
	r := &Record{Channel: "fw", Root: key.Public().ID.String(), Component: m.Component, Manifest: m, Path: "/fw.bin", early: m.Component != ""}
	for _, e := range append([]state.Event{state.Arrives}, events...) {
		r.Progress, _ = r.After(e, Now(), j.Rules)
	}
	if text := r.text(); strings.Contains(text, "\ncomponent ") {
		t.Fatalf("an early version does not write %q", text)
	}
	check(t, j.put(r))
}

// "Files of earlier versions count": a release that an earlier version has received goes on
// as one of its component, and no step loses it.
func TestAnEarlyRecordIsTheOneOfItsComponent(t *testing.T) {
	for name, then := range map[string]func(t *testing.T, j *Journal, key keys.SecretKey){
		"it is installed": func(t *testing.T, j *Journal, _ keys.SecretKey) {
			r, err := j.Of("", "boot")
			check(t, err)
			lock, err := j.Lock(r)
			check(t, err)
			lock.Close()
			happens(t, j, r, state.Starts, state.Fails)
		},
		"a newer one arrives, and is taken back": func(t *testing.T, j *Journal, key keys.SecretKey) {
			r, before, err := j.Arrive(component("boot", 8, key), "/fw.bin", "", false)
			check(t, err)
			j.TakeBack(r, before)
		},
		"one without a component arrives": func(t *testing.T, j *Journal, key keys.SecretKey) {
			arrive(t, j, signed(9, key))
			if r, err := j.Of("", ""); err != nil || r == nil || r.Manifest.Sequence != 9 {
				t.Errorf("got %+v, %v", r, err)
			}
		},
		"one of another component arrives": func(t *testing.T, j *Journal, key keys.SecretKey) { arrive(t, j, component("app", 9, key)) },
		"by hand it is tried again": func(t *testing.T, j *Journal, _ keys.SecretKey) {
			_, err := Change(j.path, "fw", state.Retries, func(r *Record) bool { return r.Component == "boot" })
			check(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := keys.Generate()
			dir := t.TempDir()
			j := journalIn(t, dir, key)
			early(t, j, key, component("boot", 7, key))
			if r, err := j.Of("", "boot"); err != nil || r == nil || !r.Early() || r.State != state.Received || r.Manifest.Sequence != 7 {
				t.Fatalf("got %+v, %v", r, err)
			}
			if r, err := j.Of("", ""); err != nil || r != nil {
				t.Errorf("got %+v, %v for releases without a component", r, err)
			}
			then(t, j, key)
			if r, err := j.Of("", "boot"); err != nil || r == nil || r.State != state.Received || r.Manifest.Sequence != 7 {
				t.Errorf("got %+v, %v", r, err)
			}
			all, err := ReadAll(dir)
			for _, r := range all {
				if n := len(all); r.Component == "boot" && (r.Manifest.Sequence != 7 || n > 2) {
					t.Errorf("got %+v of %d", r, n)
				}
			}
			check(t, err)
		})
	}
}

// A power cut came after the new record was written, and before the early one was removed.
func TestAnEarlyRecordDoesNotCountBesideALaterOne(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, key)
	happens(t, j, arrive(t, j, component("boot", 8, key)), state.Starts, state.Succeeds)
	early(t, j, key, component("boot", 7, key))
	for _, read := range []func() ([]*Record, error){j.All, func() ([]*Record, error) { return ReadAll(dir) }} {
		if all, err := read(); err != nil || len(all) != 1 || all[0].Manifest.Sequence != 8 {
			t.Errorf("got %+v, %v", all, err)
		}
	}
}

// A command that an earlier version has started holds the lock of the channel.
func TestTheCommandOfAnEarlierVersionKeepsOthersFromInstalling(t *testing.T) {
	key := keys.Generate()
	dir := t.TempDir()
	j := journalIn(t, dir, key)
	early(t, j, key, component("boot", 7, key), state.Starts)
	lock, err := lockFile(j.dir, channelPrefix("fw")+"signed"+lockSuffix, lockTimeout)
	check(t, err)
	defer lock.Close()
	before := lockTimeout
	defer func() { lockTimeout = before }()
	lockTimeout = 0
	r, err := j.Of("", "boot")
	check(t, err)
	if _, err := j.Lock(r); !errors.As(err, new(*LockedError)) {
		t.Errorf("got %v", err)
	}
}

// A version that knows no components has written the files in testdata/early: one after a
// release of the component boot, whose installation is to be tried again, and one after a
// release without a component, which is installed.
func TestFilesOfAnEarlierVersionAreRead(t *testing.T) {
	public, err := os.ReadFile("testdata/early/release.pub")
	check(t, err)
	key, _, err := keys.ParsePublicKey(public)
	check(t, err)
	for _, test := range []struct {
		kind, component string
		sequence        uint64
		state           state.State
	}{{"component", "boot", 7, state.Received}, {"none", "", 9, state.Installed}} {
		dir := t.TempDir()
		check(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "early", test.kind))))
		trusted := []proto.PublicKey{key}
		m, err := Open(dir, "fw", trusted)
		check(t, err)
		t.Cleanup(m.Close)
		if all, err := m.Releases(); err != nil || len(all) != 1 || all[receiver.Series{Key: key.ID}].Sequence != test.sequence {
			t.Errorf("%s: got %+v, %v", test.kind, all, err)
		}
		j, err := OpenJournal(dir, "fw", trusted)
		check(t, err)
		t.Cleanup(j.Close)
		r, err := j.Of("", test.component)
		if err != nil || r == nil || r.State != test.state || r.Sequence() != test.sequence || r.Component != test.component || r.Attempts != 1 {
			t.Fatalf("%s: got %+v, %v", test.kind, r, err)
		}
		if all, err := ReadAll(dir); err != nil || len(all) != 1 || all[0].Component != test.component {
			t.Errorf("%s: got %+v, %v", test.kind, all, err)
		}
		if r.Early() != (test.component != "") {
			t.Errorf("%s: got %t", test.kind, r.Early())
		}
	}
}
