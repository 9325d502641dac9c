// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
)

// A device is where a test installs signed releases. Each of its stations is another run
// of the agent.
type device struct {
	*testing.T
	key     keys.SecretKey
	dir     string
	install InstallConfig
	calls   int // of the installer
}

func newDevice(t *testing.T) *device {
	return &device{T: t, key: keys.Generate(), dir: t.TempDir()}
}

func (d *device) station() *station {
	d.Helper()
	return newStation(d.T, Config{
		Target: filestore.Dir(d.dir), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: stateOf(d.T),
		Install: d.install, Timeout: 300 * time.Millisecond,
	})
}

// release is fw, signed, with a sequence.
func (d *device) release(sequence uint64) release {
	r := fw
	r.sequence, r.key = sequence, &d.key
	r.content = append([]byte{byte(sequence)}, fw.content...)
	return r
}

// ends returns an installer that ends so, and counts its calls.
func (d *device) ends(result error) InstallFunc {
	return func(context.Context, *Received) error { d.calls++; return result }
}

// receives has another run receive a release, and install it.
func (d *device) receives(sequence uint64, install InstallFunc) error {
	d.Helper()
	file, err := d.station().receive(d.release(sequence))
	if err != nil {
		return err
	}
	return file.Install(d.Context(), install)
}

// starts has another run start without a sender, and reports whether something is
// pending; it is installed.
func (d *device) starts(install InstallFunc) (pending bool, err error) {
	d.Helper()
	file, err := d.station().Pending(d.Context())
	if file == nil || err != nil {
		return false, err
	}
	return true, file.Install(d.Context(), install)
}

// boots changes all records as if they were of an earlier boot.
func (d *device) boots() {
	d.Helper()
	entries, err := filepath.Glob(filepath.Join(stateOf(d.T), "*.state"))
	check(d.T, err)
	for _, path := range entries {
		b, err := os.ReadFile(path)
		check(d.T, err)
		text := regexp.MustCompile(`\nboot ".*"\n`).ReplaceAllString(string(b), "\nboot \"an earlier boot\"\n")
		text, _, _ = strings.Cut(text, "checksum ")
		text += fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
		check(d.T, os.WriteFile(path, []byte(text), 0o600))
	}
}

// wantState wants the state of the only record.
func (d *device) wantState(want state.State) *installed.Record {
	d.Helper()
	all, err := installed.ReadAll(stateOf(d.T))
	if err != nil || len(all) != 1 || all[0].State != want {
		d.Fatalf("got %+v, %v, want the state %v", all, err, want)
	}
	return all[0]
}

func (d *device) wantCalls(want int) {
	d.Helper()
	if d.calls != want {
		d.Errorf("the installer was called %d times, want %d", d.calls, want)
	}
}

var errSlot = errors.New("no slot is free")

func TestAFailedInstallationIsTriedAgainAtTheStartWithoutASender(t *testing.T) {
	d := newDevice(t)
	if err := d.receives(7, d.ends(errSlot)); !errors.Is(err, errSlot) {
		t.Errorf("got %v", err)
	}
	d.wantState(state.Received)
	if pending, err := d.starts(d.ends(nil)); !pending || err != nil {
		t.Errorf("got %t, %v, want that it is installed", pending, err)
	}
	d.wantState(state.Installed)
	d.wantCalls(2)
	if pending, err := d.starts(d.ends(nil)); pending || err != nil {
		t.Errorf("got %t, %v, want that nothing is pending", pending, err)
	}
}

func TestAFollowerTriesAgainAndReceivesNewerReleasesMeanwhile(t *testing.T) {
	d := newDevice(t)
	d.install.Pause = time.Millisecond
	s := d.station()
	s.cfg.Timeout = 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls []uint64
	sent := uint64(7)
	install := func(_ context.Context, file *Received) error {
		calls = append(calls, file.Manifest.Sequence)
		switch len(calls) {
		case 1, 2:
			return errSlot
		case 3:
			sent = 8
			return nil
		}
		cancel()
		return nil
	}
	err := s.follow(ctx, install, func() (multicast.Listener, error) { return d.release(sent).broadcast(t), nil })
	if !errors.Is(err, context.Canceled) || len(calls) != 4 || calls[2] != 7 || calls[3] != 8 {
		t.Errorf("got %v after attempts to install %d", err, calls)
	}
	if saw[InstallFailed](s) != 2 || saw[Installed](s) != 2 {
		t.Errorf("got events %+v", s.events)
	}
}

func TestWhatWasInstalledIsRememberedWithoutItsFile(t *testing.T) {
	d := newDevice(t)
	check(t, d.receives(7, func(_ context.Context, file *Received) error { d.calls++; return os.Remove(file.Path) }))
	s := d.station()
	got, err := s.receive(d.release(7))
	if err != nil || got.New || got.Pending || got.Path != "" || saw[AlreadyThere](s) != 1 {
		t.Errorf("got %+v, %v, want that it is installed", got, err)
	}
	wantFiles(t, d.dir)
	check(t, d.receives(8, d.ends(nil))) // but a newer one is another matter
	d.wantCalls(2)
}

// A reboot in the middle of an installation, by the command itself or by somebody else,
// must not lead to another one after each boot.
func TestAttemptsThatAreCutOffMakeNoLoop(t *testing.T) {
	d := newDevice(t)
	killed := func(context.Context, *Received) error { d.calls++; panic("killed") }
	survive := func(do func()) {
		defer func() { recover() }()
		do()
	}
	survive(func() { d.receives(7, killed) })
	d.wantState(state.Installing)
	for range 5 {
		d.boots()
		survive(func() { d.starts(killed) })
	}
	d.wantCalls(3)
	if r := d.wantState(state.Received); r.Cut != 3 {
		t.Errorf("got %+v", r)
	}
	// A sender changes nothing.
	var failed *InstallError
	if err := d.receives(7, d.ends(nil)); !errors.As(err, &failed) || failed.Again <= 0 || failed.Again > 24*time.Hour {
		t.Errorf("got %v, want that it is tried again later", err)
	}
	d.wantCalls(3)
}

func TestAReleaseThatWasGivenUpWaitsForAHigherSequence(t *testing.T) {
	for want, result := range map[state.State]error{state.Rejected: ErrRejected, state.Failed: errSlot} {
		t.Run(want.String(), func(t *testing.T) {
			d := newDevice(t)
			d.install.Attempts = 1
			var failed *InstallError
			if err := d.receives(7, d.ends(result)); !errors.As(err, &failed) || failed.State != want {
				t.Errorf("got %v", err)
			}
			if pending, err := d.starts(d.ends(nil)); pending || err != nil {
				t.Errorf("got %t, %v", pending, err)
			}
			var given *GivenUpError
			if err := d.receives(7, d.ends(nil)); !errors.As(err, &given) || given.State != want {
				t.Errorf("got %v, want that it is given up", err)
			}
			d.wantCalls(1)
			check(t, d.receives(8, d.ends(nil)))
			d.wantCalls(2)
		})
	}
}

func TestByHandAReleaseIsTriedAgain(t *testing.T) {
	d := newDevice(t)
	d.install.Attempts = 1
	d.receives(7, d.ends(errSlot))
	d.wantState(state.Failed)
	_, err := installed.Change(stateOf(t), "test", state.Retries, func(*installed.Record) bool { return true })
	check(t, err)
	if pending, err := d.starts(d.ends(nil)); !pending || err != nil {
		t.Errorf("got %t, %v", pending, err)
	}
	d.wantState(state.Installed)
}

func TestAWaitingInstallationDoesNotCount(t *testing.T) {
	d := newDevice(t)
	d.install.Attempts = 1
	d.receives(7, d.ends(ErrLater))
	for range 4 {
		d.wantState(state.Waiting)
		if pending, err := d.starts(d.ends(ErrLater)); !pending || !errors.Is(err, ErrLater) {
			t.Errorf("got %t, %v", pending, err)
		}
	}
	d.wantCalls(5)
}

// "lower than the recorded one means rolled back"
func TestAReleaseThatWasRolledBackIsNotInstalledAgain(t *testing.T) {
	d := newDevice(t)
	d.install.Running = func() (installed.Running, error) { return installed.Running{Sequence: 7}, nil }
	check(t, d.receives(8, d.ends(nil)))
	if _, err := d.starts(d.ends(nil)); err != nil {
		t.Error(err)
	}
	d.wantState(state.Installed) // it may be booted still
	d.boots()
	if pending, err := d.starts(d.ends(nil)); pending || err != nil {
		t.Errorf("got %t, %v", pending, err)
	}
	d.wantState(state.RolledBack)
	var given *GivenUpError
	if err := d.receives(8, d.ends(nil)); !errors.As(err, &given) || given.State != state.RolledBack {
		t.Errorf("got %v, want that it is given up", err)
	}
	d.wantCalls(1)
	check(t, d.receives(9, d.ends(nil)))
}

func TestTheSystemsWordConfirms(t *testing.T) {
	d := newDevice(t)
	d.install.Confirm = true
	check(t, d.receives(8, d.ends(nil)))
	d.wantState(state.Activated)
	d.install.Running = func() (installed.Running, error) { return installed.Running{Sequence: 8}, nil }
	d.boots()
	_, err := d.starts(d.ends(nil))
	check(t, err)
	d.wantState(state.Confirmed)
}

func TestNobodyInstallsBesideAnother(t *testing.T) {
	d := newDevice(t)
	s := d.station()
	file, err := s.receive(d.release(7))
	check(t, err)
	j, err := installed.OpenJournal(stateOf(t), "test", []proto.PublicKey{d.key.Public()})
	check(t, err)
	defer j.Close()
	lock, err := j.Lock(file.record)
	check(t, err)
	var locked *installed.LockedError
	if err := file.Install(t.Context(), d.ends(nil)); !errors.As(err, &locked) {
		t.Errorf("got %v, want that it is locked", err)
	}
	d.wantCalls(0)
	lock.Close()
	check(t, file.Install(t.Context(), d.ends(nil)))
}

// "the operating system's own word on what is running counts"
func TestAFreshStateDoesNotInstallWhatTheSystemRuns(t *testing.T) {
	d := newDevice(t)
	d.install.Running = func() (installed.Running, error) { return installed.Running{Sequence: 7}, nil }
	got, err := d.station().receive(d.release(7))
	if err != nil || got.New || got.Pending {
		t.Errorf("got %+v, %v, want that it is installed", got, err)
	}
	var silence *SilenceError
	if err := d.receives(6, d.ends(nil)); !errors.As(err, &silence) {
		t.Errorf("got %v, want that an older release is refused", err)
	}
	d.wantCalls(0)
	check(t, d.receives(8, d.ends(nil)))
	d.wantCalls(1)
}

// A release that was received is not installed if the system runs a later one.
func TestAPendingReleaseIsOvertaken(t *testing.T) {
	d := newDevice(t)
	d.receives(7, d.ends(errSlot))
	d.install.Running = func() (installed.Running, error) { return installed.Running{Sequence: 9}, nil }
	if pending, err := d.starts(d.ends(nil)); pending || err != nil {
		t.Errorf("got %t, %v", pending, err)
	}
	// Without the system's word, the floor stays.
	d.install.Running = nil
	var silence *SilenceError
	if err := d.receives(8, d.ends(nil)); !errors.As(err, &silence) {
		t.Errorf("got %v, want that an older release is refused", err)
	}
	d.wantCalls(1)
}

// "a missing file means that the state alone counts"
func TestASystemThatDoesNotSayWhatRunsChangesNothing(t *testing.T) {
	d := newDevice(t)
	d.install.Running = func() (installed.Running, error) { return installed.Running{}, nil }
	check(t, d.receives(7, d.ends(nil)))
	d.boots()
	if pending, err := d.starts(d.ends(nil)); pending || err != nil {
		t.Errorf("got %t, %v", pending, err)
	}
	d.wantState(state.Installed)
	d.wantCalls(1)
}

// A check that is not passed now is repeated, by a release that is sent still.
func TestAFollowerRepeatsACheck(t *testing.T) {
	d := newDevice(t)
	d.install.Pause = time.Millisecond
	checks := 0
	d.install.Check = func(_ context.Context, file *Received) error {
		if checks++; checks == 1 {
			return ErrLater
		}
		if content, err := os.ReadFile(file.Path); err != nil || len(content) != len(fw.content)+1 {
			t.Errorf("the check sees %d bytes, %v", len(content), err)
		}
		wantFiles(t, d.dir, filepath.Base(file.Path))
		return nil
	}
	s := d.station()
	s.cfg.Timeout = 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.follow(ctx, func(_ context.Context, file *Received) error {
		wantFiles(t, d.dir, "fw.bin")
		cancel()
		return nil
	}, func() (multicast.Listener, error) { return d.release(7).broadcast(t), nil })
	if !errors.Is(err, context.Canceled) || checks != 2 || saw[InstallFailed](s) != 1 {
		t.Errorf("got %v after %d checks, events %+v", err, checks, s.events)
	}
	d.wantState(state.Installed)
}
