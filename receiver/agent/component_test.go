// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
)

// of returns a release of a component, with a content and a name of its own.
func (d *device) of(component string, sequence uint64) release {
	r := d.release(sequence)
	r.component, r.name = component, fmt.Sprintf("fw-%s-%d.bin", component, sequence)
	r.content = append([]byte(component), r.content...)
	return r
}

// together sends releases at the same time.
func together(t *testing.T, all ...release) *broadcast {
	t.Helper()
	var b *broadcast
	var each [][][]byte
	for _, r := range all {
		b = r.broadcast(t)
		each = append(each, b.datagrams)
	}
	b.datagrams = nil
	for i := range each[0] {
		for _, datagrams := range each {
			b.datagrams = append(b.datagrams, datagrams[i])
		}
	}
	return b
}

// A follower is a station that follows one component, or the first, to a file of its own.
type follower struct {
	*station
	path string
	got  []uint64 // sequences that it has installed
}

// follower returns another follower of the device. All of them share the records.
func (d *device) follower(file string, components ...string) *follower {
	d.Helper()
	path := filepath.Join(d.dir, file)
	return &follower{path: path, station: newStation(d.T, Config{
		Target: filestore.File(path), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: stateOf(d.T),
		Install: d.install, Components: components,
	})}
}

// follows has it follow what is sent until it has installed so many releases, and nothing
// more is being received.
func (f *follower) follows(until int, sent func() *broadcast) {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	err := f.follow(ctx, func(_ context.Context, file *Received) error {
		if f.got = append(f.got, file.Manifest.Sequence); len(f.got) == until {
			cancel()
		}
		return nil
	}, func() (multicast.Listener, error) { return sent(), nil })
	if !errors.Is(err, context.Canceled) {
		f.Errorf("got %v", err)
	}
}

func (f *follower) wantFile(r release) {
	f.Helper()
	if got, err := os.ReadFile(f.path); err != nil || string(got) != string(r.content) {
		f.Errorf("%s: got %d bytes, %v, want %s", f.path, len(got), err, r.name)
	}
}

// Each of two followers on one device
// gets its own releases, whatever the sequences of the other product are.
func TestTwoFollowersOfTwoComponentsKeepTheirFiles(t *testing.T) {
	d := newDevice(t)
	boot, app := d.of("boot", 5), d.of("app", 9)
	newBoot, newApp := d.of("boot", 6), d.of("app", 10)
	for _, f := range []struct {
		follower *follower
		releases [2]release
	}{{d.follower("a", "boot"), [2]release{boot, newBoot}}, {d.follower("b", "app"), [2]release{app, newApp}}} {
		f.follower.follows(2, func() *broadcast {
			if len(f.follower.got) == 0 {
				return together(t, app, boot)
			}
			return together(t, newApp, newBoot, boot)
		})
		if got := f.follower.got; len(got) != 2 || got[0] != f.releases[0].sequence || got[1] != f.releases[1].sequence {
			t.Errorf("it has installed %d", got)
		}
		f.follower.wantFile(f.releases[1])
		for _, e := range f.follower.events {
			if e, ok := e.(Transfer); ok {
				if dropped, ok := e.Event.(receiver.Dropped); ok && dropped.Object != f.releases[0].manifestID(t) {
					t.Errorf("it has given up %+v", dropped)
				}
			}
		}
		if n := saw[OtherComponent](f.follower.station); n != 0 {
			t.Errorf("got %d reports of a component that it does not take", n)
		}
		f.follower.Close()
	}
	all, err := installed.ReadAll(stateOf(t))
	if err != nil || len(all) != 2 {
		t.Errorf("got %+v, %v, want a record of each component", all, err)
	}
}

// manifestID returns the object of r.
func (r release) manifestID(t *testing.T) proto.ObjectID {
	t.Helper()
	b := r.broadcast(t)
	h, _, err := proto.Parse(b.datagrams[0])
	check(t, err)
	return h.Object
}

// "--follow never changes its component": it is the one of the first release, in later
// runs too, and who is not trusted has no say.
func TestAFollowerKeepsToTheComponentOfItsFirstRelease(t *testing.T) {
	d := newDevice(t)
	stranger := newDevice(t).of("other", 99)
	boot, app := d.of("boot", 5), d.of("app", 9)
	f := d.follower("fw")
	alone, both := []release{boot}, []release{d.of("boot", 6), app, stranger}
	f.follows(2, func() *broadcast {
		if len(f.got) == 0 {
			return together(t, alone...)
		}
		return together(t, both...)
	})
	f.wantFile(both[0])
	f.Close()
	again := d.follower("fw")
	again.follows(1, func() *broadcast { return together(t, app, stranger, d.of("boot", 7)) })
	again.wantFile(d.of("boot", 7))
	if got := again.got; len(got) != 1 || got[0] != 7 {
		t.Errorf("after a restart it has installed %d", got)
	}
	other := d.follower("another place")
	other.follows(1, func() *broadcast { return together(t, app) })
	other.wantFile(app)
}

// Without a command there are no records of installations, and the floor does not name the
// place of the file.
func TestAFollowerWithoutACommandKeepsToItsComponent(t *testing.T) {
	d := newDevice(t)
	for _, sent := range [][]release{{d.of("boot", 5)}, {d.of("app", 9), d.of("boot", 6)}} {
		path := filepath.Join(d.dir, "fw")
		f := &follower{path: path, station: newStation(t, Config{Target: filestore.File(path), Trust: []proto.PublicKey{d.key.Public()}})}
		ctx, cancel := context.WithCancel(t.Context())
		transfers := 0
		err := f.follow(ctx, nil, func() (multicast.Listener, error) {
			if transfers++; transfers > 1 {
				cancel()
			}
			return together(t, sent...), nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		f.wantFile(sent[len(sent)-1])
		f.Close()
	}
}

func TestAFollowerReportsOtherComponentsOnce(t *testing.T) {
	p := newStub(t, Config{})
	p.following, p.keeps, p.signed = true, true, true
	refused := func(component string, why proto.Reason) {
		p.observes(receiver.Refused{Object: proto.ObjectID{1}, Name: "fw.bin", Component: component, Why: why})
	}
	reports := func() (n int) {
		for _, e := range p.took() {
			if _, ok := e.(OtherComponent); ok {
				n++
			}
		}
		return n
	}
	refused("app", receiver.ReasonOtherObject) // it does not keep to one yet
	p.kept = new(string)
	*p.kept = "boot"
	refused("", receiver.ReasonSignature) // a stranger
	refused("app", receiver.ReasonTarget)
	refused("boot", receiver.ReasonOtherObject)
	refused("boot", receiver.ReasonRollback)
	if n := reports(); n != 0 {
		t.Errorf("got %d reports", n)
	}
	refused("app", receiver.ReasonOtherObject)
	refused("", receiver.ReasonOtherObject)
	if n := reports(); n != 1 {
		t.Errorf("got %d reports, want one", n)
	}
}

// The report comes of a real transfer, and none of what was chosen.
func TestAFollowerWithoutAChoiceReportsTheOtherComponent(t *testing.T) {
	d := newDevice(t)
	f := d.follower("fw")
	sent := together(t, d.of("boot", 5), d.of("app", 9))
	f.follows(1, func() *broadcast { return sent })
	if n := saw[OtherComponent](f.station); n != 1 {
		t.Errorf("got %d reports, want one", n)
	}
}

// One service restarts while the command of the other one runs.
func TestAnInstallationOfAnotherComponentIsNobodyElsesBusiness(t *testing.T) {
	d := newDevice(t)
	boot := d.follower("a", "boot")
	ctx, cancel := context.WithCancel(t.Context())
	err := boot.follow(ctx, func(ctx context.Context, file *Received) error {
		for i, app := range []*follower{d.follower("c"), d.follower("b", "app"), d.follower("b")} { // the last one keeps to app
			app.follows(1, func() *broadcast { return together(t, d.of("app", uint64(3+i))) })
			app.wantFile(d.of("app", uint64(3+i)))
			app.Close()
		}
		cancel()
		return context.Cause(ctx)
	}, func() (multicast.Listener, error) { return d.of("boot", 7).broadcast(t), nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	all, err := installed.ReadAll(stateOf(t))
	want := map[string]state.State{"boot": state.Received, "app": state.Installed}
	for _, r := range all {
		if r.State != want[r.Component] {
			t.Errorf("got %+v, want %v", r, want[r.Component])
		}
	}
	if err != nil || len(all) != 2 {
		t.Errorf("got %+v, %v", all, err)
	}
}

// What the system runs says nothing about another component.
func TestTheRunningReleaseIsAFloorOfItsComponentOnly(t *testing.T) {
	d := newDevice(t)
	d.install.Running = func() (installed.Running, error) { return installed.Running{Sequence: 9}, nil }
	boot := d.follower("a", "boot")
	boot.follows(1, func() *broadcast { return together(t, d.of("boot", 10)) })
	boot.Close()
	d.install.Running = func() (installed.Running, error) { return installed.Running{Sequence: 11}, nil }
	again := d.follower("a", "boot") // the system runs a later one by now
	if file, err := again.Pending(t.Context()); file != nil || err != nil {
		t.Errorf("got %+v, %v", file, err)
	}
	again.Close()
	d.install.Running = nil
	app := d.follower("b")
	app.follows(1, func() *broadcast { return together(t, d.of("app", 3)) })
	app.wantFile(d.of("app", 3))
	s := d.follower("a", "boot")
	s.cfg.Timeout = 300 * time.Millisecond
	if _, err := s.receive(d.of("boot", 10)); !errors.As(err, new(*SilenceError)) {
		t.Errorf("got %v, want that an older release than the one that runs is refused", err)
	}
}

// Files that were handed over of one component stay when the other one has a new release,
// and an installer takes the newest of each.
func TestAnInstallerTakesTheNewestReleaseOfEachComponent(t *testing.T) {
	d := newDevice(t)
	ready, own := t.TempDir(), t.TempDir()
	hand := func(component string, sequence uint64) {
		s := newStation(t, Config{
			Target: filestore.Objects(ready), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: stateOf(t), Components: []string{component},
		})
		defer s.Close()
		file, err := s.receive(d.of(component, sequence))
		check(t, err)
		check(t, file.Install(t.Context(), HandOver()))
	}
	hand("boot", 7)
	hand("app", 3)
	hand("boot", 8)
	if entries, err := os.ReadDir(ready); err != nil || len(entries) != 4 {
		t.Errorf("got %v, %v, want the two files of two releases", entries, err)
	}
	check(t, newStation(t, Config{
		Target: filestore.Objects(t.TempDir()), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: t.TempDir(), Components: []string{"else"},
	}).InstallFrom(t.Context(), ready, d.ends(nil)))
	d.wantCalls(0)
	if entries, err := os.ReadDir(ready); err != nil || len(entries) != 4 {
		t.Errorf("got %v, %v, want that an installer of another component leaves them", entries, err)
	}
	var got []string
	check(t, newStation(t, Config{
		Target: filestore.Objects(own), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: t.TempDir(),
	}).InstallFrom(t.Context(), ready, func(_ context.Context, file *Received) error {
		got = append(got, file.Manifest.Name)
		return nil
	}))
	if len(got) != 2 || got[0] != "fw-app-3.bin" || got[1] != "fw-boot-8.bin" {
		t.Errorf("got %q", got)
	}
	wantFiles(t, ready)
	wantFiles(t, own)
}

// asEarly changes the records of a component to what a version has written that knows no
// components.
func (d *device) asEarly(component string) {
	d.Helper()
	change := func(pattern, suffix string) {
		found, err := filepath.Glob(filepath.Join(stateOf(d.T), pattern))
		if err != nil || len(found) != 1 {
			d.Fatalf("got %q, %v", found, err)
		}
		b, err := os.ReadFile(found[0])
		check(d.T, err)
		text, _, _ := strings.Cut(string(b), "checksum ")
		text = strings.Replace(text, fmt.Sprintf("component %q\n", component), "", 1)
		text += fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
		parts := strings.Split(filepath.Base(found[0]), "-")
		check(d.T, os.WriteFile(filepath.Join(stateOf(d.T), parts[0]+"-"+parts[1]+suffix), []byte(text), 0o600))
		check(d.T, os.Remove(found[0]))
	}
	change("*-*-*.installed", ".installed")
	change("*-*-*.component-state", ".state")
	kept, err := filepath.Glob(filepath.Join(stateOf(d.T), "*.component"))
	check(d.T, err)
	for _, path := range kept {
		check(d.T, os.Remove(path))
	}
}

// "What a program without components has recorded is not lost": after an upgrade, a
// follower goes on with the installation, refuses what is older, and keeps to its component.
func TestAFollowerGoesOnAfterAnUpgradeFromAVersionWithoutComponents(t *testing.T) {
	d := newDevice(t)
	f := d.follower("fw")
	if _, err := f.receive(d.of("boot", 7)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	d.asEarly("boot")
	again := d.follower("fw")
	again.follows(2, func() *broadcast {
		return together(t, d.of("app", 9), d.of("boot", 6), d.of("boot", 8))
	})
	again.wantFile(d.of("boot", 8))
	if got := again.got; len(got) != 2 || got[0] != 7 || got[1] != 8 {
		t.Errorf("it has installed %d, want what was pending and then the newer one", got)
	}
	again.Close()
	s := d.follower("another file")
	s.cfg.Timeout = 300 * time.Millisecond
	if _, err := s.receive(d.of("boot", 6)); !errors.As(err, new(*SilenceError)) {
		t.Errorf("got %v, want that an older release is refused", err)
	}
}

// What was only received left a floor, and nothing that names the place of the file: it was
// a release without a component.
func TestAFollowerWithNothingButAFloorKeepsToReleasesWithoutAComponent(t *testing.T) {
	d := newDevice(t)
	s := newStation(t, Config{Target: filestore.Dir(d.dir), Trust: []proto.PublicKey{d.key.Public()}})
	_, err := s.receive(d.of("", 7))
	check(t, err)
	s.Close()
	if found, err := filepath.Glob(filepath.Join(stateOf(t), "*.installed")); err != nil || len(found) != 1 {
		t.Errorf("got %q, %v", found, err)
	}
	f := d.follower("fw")
	f.follows(1, func() *broadcast { return together(t, d.of("app", 9), d.of("", 8)) })
	f.wantFile(d.of("", 8))
	if n := saw[OtherComponent](f.station); n != 1 {
		t.Errorf("got %d reports of the other component, want one", n)
	}
}
