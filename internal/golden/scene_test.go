// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// epoch is when scenes begin, unless they say otherwise.
var epoch = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// A scene is one receiver and the senders that it listens to, in virtual time.
type scene struct {
	t     testing.TB
	seed  uint64
	dice  dice
	begin time.Time
	now   time.Time
	trace *trace
	ops   *opLog

	d         *driver
	stores    []*memStore // in the order of Open
	carousels []*carousel
	attack    func(heard []byte) [][]byte
	lost      receiver.Loss // of the last receiver
	level     int           // the last one that was recorded

	lazy    int  // percent of the packets after which jobs are run; 0: all
	beside  bool // jobs come back later, in another order
	waiting []waitingJob
}

// A waitingJob was taken from the receiver and not given back yet.
type waitingJob struct {
	*receiver.Job
	number int
	ran    bool
}

func newScene(t testing.TB, seed uint64) *scene {
	s := &scene{t: t, seed: seed, dice: newDice(seed, 1), begin: epoch, now: epoch, ops: newOpLog()}
	s.trace = newTrace(epoch)
	return s
}

// source makes a file of random bytes and its object.
func (s *scene) source(size int, p proto.Params, with digests) *source {
	s.t.Helper()
	src := newSource(s.t, "fw", randomFile(s.seed, size), p, with)
	s.trace.line("object %v %s digests %v", src.id, describeParams(src.geo.Params), bool(with))
	return src
}

// receive starts a receiver with an empty store.
func (s *scene) receive(cfg receiver.Config) { s.resume(cfg, nil, nil) }

// resume starts a receiver that finds the bytes of an earlier run. The policy
// chooses layers and may be nil.
func (s *scene) resume(cfg receiver.Config, found *memStore, policy *layersPolicy) {
	s.t.Helper()
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	s.ops.sorted = cfg.Workers > 1
	if cfg.Open == nil {
		cfg.Open = func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
			store := newMemStore(s.ops, int(p.Size))
			if found != nil {
				store, found = found, nil
			}
			s.stores = append(s.stores, store)
			return store, nil
		}
	}
	s.waiting = nil
	var err error
	s.d, err = newDriver(cfg, policy, func(now time.Time, e receiver.Event) {
		if !now.Equal(s.now) {
			s.t.Errorf("event %T at %v, want the time of the call, %v", e, now, s.now)
		}
		s.trace.event(now, e)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// store returns the store that was opened last.
func (s *scene) store() *memStore { return s.stores[len(s.stores)-1] }

// A carousel is a sender, and its way to the receiver.
type carousel struct {
	*sender.Sender
	link   *simnet.Link
	from   receiver.Origin
	flying []flight // by arrival
}

// A flight is a datagram on its way.
type flight struct {
	at       time.Time
	datagram []byte
}

// A way is how packets get from a sender to the receiver.
type way struct {
	loss string // as simnet reads it; empty: none
	link simnet.LinkConfig
	late int // packets that were sent before the receiver listened
}

// listen adds a sender of src.
func (s *scene) listen(src *source, cfg sender.Config, w way) {
	s.t.Helper()
	n := uint64(len(s.carousels) + 1)
	cfg.Rand = rand.New(newDice(s.seed, 100+n))
	c, err := sender.New(cfg, src.object)
	if err != nil {
		s.t.Fatal(err)
	}
	if w.loss != "" {
		if w.link.Loss, err = simnet.ParseLoss(w.loss); err != nil {
			s.t.Fatal(err)
		}
	}
	link, err := simnet.NewLink(w.link, simnet.Key{Seed: s.seed, Receiver: n})
	if err != nil {
		s.t.Fatal(err)
	}
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 20900)
	s.carousels = append(s.carousels, &carousel{Sender: c, link: link, from: receiver.Origin{From: from, Interface: int(n)}})
	for range w.late {
		if at := c.Wake(); at.After(s.now) {
			s.now = at
		}
		if _, err := c.AppendDatagrams(nil, s.now, 1); err != nil {
			s.t.Fatal(err)
		}
	}
}

// hear gives a datagram to the receiver at once.
func (s *scene) hear(from receiver.Origin, datagrams ...[]byte) {
	for _, b := range datagrams {
		before := bytes.Clone(b)
		err := s.d.handle(s.now, from, b)
		if !bytes.Equal(b, before) {
			s.t.Errorf("Handle changed its argument")
		}
		s.trace.packet(s.now, b, err)
		s.work()
		s.note()
	}
}

// note records what can be asked of the receiver at any time.
func (s *scene) note() {
	s.trace.wakeAt(s.d.Wake())
	if s.d.policy == nil {
		return
	}
	if level := s.d.policy.level(); level != s.level {
		s.level = level
		s.trace.at(s.now, "level %d", level)
	}
}

// work runs jobs in the order in which the receiver hands them out, and returns
// them at once; or, if s.beside is set, some of them later.
func (s *scene) work() {
	if s.lazy > 0 && !s.dice.percent(s.lazy) {
		return
	}
	for !s.beside || s.dice.percent(70) {
		j := s.d.NextJob()
		if j == nil {
			break
		}
		w := waitingJob{Job: j, number: s.ops.jobs}
		if !s.beside || s.dice.percent(50) {
			s.ops.run(j.Run)
			w.ran = true
		}
		s.waiting = append(s.waiting, w)
		if !s.beside {
			s.takeBack(0)
		}
	}
	for len(s.waiting) > 0 && s.dice.percent(40) {
		s.takeBack(s.dice.below(len(s.waiting)))
	}
}

// takeBack returns a job to the receiver.
func (s *scene) takeBack(i int) {
	w := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	if !w.ran {
		s.ops.run(w.Run)
	}
	s.ops.finished(w.number)
	s.d.Finish(s.now, w.Job)
}

// later lets time pass without packets.
func (s *scene) later(d time.Duration) {
	s.now = s.now.Add(d)
	s.tick()
}

// tick does what is due now.
func (s *scene) tick() {
	s.d.Tick(s.now)
	if s.d.policy != nil {
		s.d.policy.tick(s.now)
	}
	s.work()
	s.note()
}

// run lets time pass until the receiver is done, or so many packets were sent.
func (s *scene) run(packets int) {
	for n := 0; n < packets && !s.d.Done(); {
		next := s.next()
		if next.at.After(s.now) {
			s.now = next.at
		}
		switch {
		case next.timer:
			s.tick()
		case next.arrival:
			s.arrive(next.from)
		case next.from == nil:
			return // all senders have ended
		default:
			n++
			s.send(next.from)
		}
	}
}

// A moment is what happens next: a timer, an arrival, or else a packet that a
// carousel sends.
type moment struct {
	at             time.Time
	timer, arrival bool
	from           *carousel
}

// next returns the earliest moment. At the same time, arrivals are before timers
// and these before packets that are sent.
func (s *scene) next() (m moment) {
	earlier := func(at time.Time) bool { return m.from == nil && !m.timer || at.Before(m.at) }
	for _, c := range s.carousels {
		if len(c.flying) > 0 && earlier(c.flying[0].at) {
			m = moment{at: c.flying[0].at, arrival: true, from: c}
		}
	}
	timers := []time.Time{s.d.Wake()}
	if s.d.policy != nil {
		timers = append(timers, s.d.policy.wake())
	}
	for _, at := range timers {
		if !at.IsZero() && earlier(at) {
			m = moment{at: at, timer: true}
		}
	}
	for _, c := range s.carousels {
		at := c.Wake()
		if at.IsZero() {
			at = s.now
		}
		if !c.Done() && earlier(at) {
			m = moment{at: at, from: c}
		}
	}
	return m
}

// send puts the packet of a carousel that is due on its way, if its layer is
// received.
func (s *scene) send(c *carousel) {
	b, err := c.AppendDatagrams(nil, s.now, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(b) == 0 {
		s.t.Fatalf("nothing to send at the time of Wake")
	}
	h, _, err := proto.Parse(b)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.d.policy != nil && h.Path.Layer > s.d.policy.level() {
		return
	}
	for _, at := range c.link.Send(s.now.Sub(s.begin), len(b)+proto.IPv6Overhead) {
		c.flying = append(c.flying, flight{s.begin.Add(at), b})
	}
	slices.SortStableFunc(c.flying, func(a, b flight) int { return a.at.Compare(b.at) })
}

// arrive delivers the first datagram that is on its way, and then what the
// attacker makes of it.
func (s *scene) arrive(c *carousel) {
	b := c.flying[0].datagram
	c.flying = c.flying[1:]
	s.hear(c.from, b)
	if s.attack == nil {
		return
	}
	for _, b := range s.attack(b) {
		if s.d.Done() {
			return
		}
		s.hear(stranger, b)
	}
}

// stranger is where forged packets come from.
var stranger = receiver.Origin{From: netip.MustParseAddrPort("10.9.9.9:999"), Interface: 9}

// end writes the last lines of a receiver's life.
func (s *scene) end() {
	for len(s.waiting) > 0 {
		s.takeBack(0)
	}
	s.trace.at(s.now, "end: done %v, error %v", s.d.Done(), s.d.Err())
	s.trace.progress(s.d.Progress())
	s.lost = s.d.Progress().Loss
	s.trace.summary()
	s.trace.line("store: %d jobs, %d operations, SHA-256 %.16x", s.ops.jobs, s.ops.n, s.ops.sum.Sum(nil))
	for i, store := range s.stores {
		s.trace.line("store %d: %d bytes, discarded %v, SHA-256 %x", i+1, len(store.bytes), store.discarded, sha256.Sum256(store.bytes))
	}
	s.trace.flush()
}

// wantFile fails unless the file arrived: a trace of a run that failed by
// mistake is of no use.
func (s *scene) wantFile(src *source) {
	s.t.Helper()
	if s.d.Err() != nil || !s.d.Done() {
		s.t.Fatalf("done %v, error %v, progress %+v", s.d.Done(), s.d.Err(), s.d.Progress())
	}
	if got := s.store().bytes; len(got) < len(src.file) || !bytes.Equal(got[:len(src.file)], src.file) {
		s.t.Fatal("the received file differs from the one that was sent")
	}
}

// wantError fails unless the transfer failed.
func (s *scene) wantError() {
	s.t.Helper()
	if s.d.Err() == nil {
		s.t.Fatalf("no error; progress %+v", s.d.Progress())
	}
}

func (s *scene) lossLine(name string) string {
	return fmt.Sprintf("%-40s %6d of %6d", name, s.lost.Lost, s.lost.Spanned)
}
