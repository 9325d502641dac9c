// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/internal/diagnose"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A fakeListener hears nothing.
type fakeListener struct {
	multicast.Listener
	stats   multicast.Stats
	rejoins int
	absent  error
}

func (l *fakeListener) Place() multicast.Place {
	return multicast.Place{Interfaces: []string{"lo"}, Groups: []netip.Addr{netip.MustParseAddr("239.255.77.78")}, Port: 4711}
}
func (l *fakeListener) Stats() multicast.Stats { return l.stats }
func (l *fakeListener) Why() error             { return nil }
func (l *fakeListener) Absent() error          { return l.absent }
func (l *fakeListener) Rejoin() error          { l.rejoins++; return nil }

// A stubWatcher is a watcher whose input comes from the test alone.
type stubWatcher struct {
	*testing.T
	*watcher
	at       time.Duration // since the start
	events   []Event       // but progress
	listener *fakeListener
}

func newStub(t *testing.T, cfg Config) *stubWatcher {
	t.Helper()
	cfg.Channel, cfg.DryRun = "test", true
	a, err := New(cfg)
	check(t, err)
	p := &stubWatcher{T: t, listener: &fakeListener{}}
	p.watcher = newWatcher(a, p.listener, epoch)
	p.watcher.emit = func(e Event) {
		if _, ok := e.(Progress); !ok {
			p.events = append(p.events, e)
		}
	}
	p.watcher.certified = func(receiver.Certified) {}
	p.watcher.dropped = func() {}
	return p
}

// until reports the same status five times a second, and returns the first
// error.
func (p *stubWatcher) until(at time.Duration, s receiver.Status) error {
	for ; p.at <= at; p.at += 200 * time.Millisecond {
		if err := p.see(report{epoch.Add(p.at), s}); err != nil {
			return err
		}
	}
	return nil
}

// observes sees an event of the receiver.
func (p *stubWatcher) observes(e receiver.Event) {
	p.Helper()
	check(p.T, p.see(Transfer{At: epoch.Add(p.at), Event: e}))
}

// took returns the events since the last call.
func (p *stubWatcher) took() []Event {
	events := p.events
	p.events = nil
	return events
}

func (p *stubWatcher) wantNothing() {
	p.Helper()
	if got := p.took(); got != nil {
		p.Errorf("got events %+v, want none", got)
	}
}

// wantSilent wants one event: that nothing has arrived for a while.
func (p *stubWatcher) wantSilent(want time.Duration) {
	p.Helper()
	got := p.took()
	if len(got) != 1 {
		p.Fatalf("got events %+v, want one", got)
	}
	if e, ok := got[0].(Silent); !ok || e.For != want || e.Place.Port != 4711 || len(e.Causes) == 0 {
		p.Errorf("got %+v, want an explained silence of %v", got[0], want)
	}
}

func (p *stubWatcher) wantSilence(err error, want Instead) {
	p.Helper()
	var e *SilenceError
	if !errors.As(err, &e) || e.Instead.Reason != want.Reason || !slices.Equal(e.Instead.Others, want.Others) || e.Signed != p.signed {
		p.Errorf("got %+v, want a SilenceError with %+v", err, want)
	}
}

func (p *stubWatcher) wantStalled(err error, want StalledError) {
	p.Helper()
	var e *StalledError
	if !errors.As(err, &e) || e.Held != want.Held || e.NoManifest != (e.Needed != 100) || e.NoManifest != want.NoManifest || e.NoDigests != want.NoDigests || e.Instead.Reason != want.Instead.Reason {
		p.Errorf("got %+v, want %+v", err, want)
	}
}

func receiving(packets, held uint64) receiver.Status {
	return receiver.Status{Progress: receiver.Progress{Data: packets, Held: held, Needed: 100}}
}

// ignoring is the status of a receiver that ignored packets for each of the
// reasons.
func ignoring(packets uint64, reasons ...proto.Reason) receiver.Status {
	s := receiver.Status{Ignored: make(map[proto.Reason]uint64)}
	for _, r := range reasons {
		s.Ignored[r] = packets
	}
	return s
}

func TestTimeoutIsForTheStartOnly(t *testing.T) {
	p := newStub(t, Config{Timeout: 3 * time.Second})
	check(t, p.until(2900*time.Millisecond, receiver.Status{}))
	p.wantSilence(p.until(3*time.Second, receiver.Status{}), Instead{})

	p = newStub(t, Config{Timeout: 3 * time.Second})
	check(t, p.until(2*time.Second, receiver.Status{}))
	check(t, p.until(20*time.Second, receiving(1, 1)))
}

func TestStallIsForTheMiddleOnly(t *testing.T) {
	p := newStub(t, Config{Stall: 3 * time.Second})
	check(t, p.until(20*time.Second, receiver.Status{}))
	check(t, p.until(22*time.Second, receiving(5, 4)))
	check(t, p.until(24*time.Second, receiving(6, 4))) // a duplicate is a sign of life
	p.wantStalled(p.until(30*time.Second, receiving(6, 4)), StalledError{Held: 4, NoDigests: true})

	p = newStub(t, Config{Stall: 3 * time.Second})
	check(t, p.see(Collected{At: epoch})) // what remains is local work
	check(t, p.until(20*time.Second, receiving(100, 100)))
}

func TestStallIsForEveryAttempt(t *testing.T) {
	p := newStub(t, Config{Stall: 3 * time.Second})
	check(t, p.until(time.Second, receiving(100, 100)))
	check(t, p.see(Collected{At: epoch.Add(p.at)}))
	check(t, p.until(20*time.Second, receiving(100, 100)))
	p.observes(receiver.Corrupt{Attempt: 1})
	check(t, p.until(22*time.Second, receiving(100, 0)))
	p.wantStalled(p.until(30*time.Second, receiving(100, 0)), StalledError{Held: 0, NoDigests: true})
}

// A silence that the choice of layers intends does not lead to giving up.
func TestAChosenSilenceIsNone(t *testing.T) {
	p := newStub(t, Config{Stall: 3 * time.Second})
	check(t, p.until(time.Second, receiving(1, 1)))
	check(t, p.see(LevelChanged{Level: -1}))
	p.took()
	check(t, p.until(20*time.Second, receiving(1, 1)))
	p.wantNothing()
}

func TestSilenceIsExplainedAgainAndAgain(t *testing.T) {
	p := newStub(t, Config{})
	check(t, p.until(4800*time.Millisecond, receiver.Status{}))
	p.wantNothing()
	check(t, p.until(5*time.Second, receiver.Status{}))
	p.wantSilent(5 * time.Second)
	check(t, p.until(34800*time.Millisecond, receiver.Status{}))
	p.wantNothing()
	check(t, p.until(35*time.Second, receiver.Status{}))
	p.wantSilent(35 * time.Second)
	if p.listener.rejoins != 1 {
		t.Errorf("joined again %d times, want once in two minutes", p.listener.rejoins)
	}

	// Packets restart the timer.
	heard := p.at
	check(t, p.until(heard+4800*time.Millisecond, receiving(1, 1)))
	p.wantNothing()
	check(t, p.until(heard+5*time.Second, receiving(1, 1)))
	p.wantSilent(5 * time.Second)
}

func TestRefusedPacketsAreNamedInASilence(t *testing.T) {
	p := newStub(t, Config{})
	check(t, p.until(0, ignoring(5, proto.ReasonMagic)))
	check(t, p.until(5*time.Second, ignoring(500, proto.ReasonMagic)))
	got := p.took()
	if len(got) != 1 || !slices.ContainsFunc(got[0].(Silent).Causes, func(c Cause) bool {
		return c.Code == diagnose.ForeignPackets && strings.Contains(c.Text, "495 packets refused on arrival")
	}) {
		t.Errorf("got %+v, want that 495 packets were refused", got)
	}
}

func TestOwnDropsAreReportedOnce(t *testing.T) {
	reported := 1 // times what was granted
	if runtime.GOOS == "linux" {
		reported = 2
	}
	p := newStub(t, Config{Listen: multicast.Config{ReceiveBuffer: 32 << 20}})
	p.listener.stats = multicast.Stats{KernelDrops: 7, ReceiveBuffer: reported * 208 << 10}
	check(t, p.until(time.Second, receiving(1, 1)))
	want := OwnDrops{Drops: 7, Granted: 208 << 10, Wanted: 32 << 20}
	if got := p.took(); len(got) != 1 || got[0] != Event(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	check(t, p.see(Collected{At: epoch}))
	p.listener.stats.KernelDrops = 1000 // nobody needs these packets
	check(t, p.until(2*time.Second, receiving(100, 100)))
	if p.drops != 7 {
		t.Errorf("got %d drops, want the drops of the transfer", p.drops)
	}
}

func TestRise(t *testing.T) {
	got := rise(map[proto.Reason]uint64{"a": 3, "b": 2, "c": 1}, map[proto.Reason]uint64{"a": 1, "b": 2})
	if len(got) != 2 || got["a"] != 2 || got["c"] != 1 {
		t.Errorf("got %v, want a: 2, c: 1", got)
	}
}

func TestAnInterfaceThatIsNotThereIsWaitedForAtTheStart(t *testing.T) {
	absent := &multicast.Error{Err: errors.New("eth7 not found")}
	p := newStub(t, Config{Wait: 20 * time.Second})
	p.listener.absent = absent
	check(t, p.until(19*time.Second, receiver.Status{}))
	if err := p.until(21*time.Second, receiver.Status{}); err != absent {
		t.Errorf("got %v, want %v", err, absent)
	}

	p = newStub(t, Config{Wait: 20 * time.Second})
	p.listener.absent = absent
	check(t, p.until(10*time.Second, receiver.Status{}))
	p.listener.absent = nil
	check(t, p.until(11*time.Second, receiver.Status{}))
	p.listener.absent = absent // it has gone, and may come back
	check(t, p.until(time.Hour, receiver.Status{}))

	p = newStub(t, Config{Wait: -1})
	p.listener.absent = absent
	if err := p.until(0, receiver.Status{}); err != absent {
		t.Errorf("without a timeout: got %v, want %v", err, absent)
	}
}
