// SPDX-License-Identifier: GPL-2.0-or-later

package layers

import (
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

var here = receiver.Origin{From: netip.MustParseAddrPort("[fe80::1]:4000"), Interface: 2}

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A layered is a sender of layers and a receiver's policy, in virtual time. Its
// verbs narrate a test. Layer 0 has 100 packets a second.
type layered struct {
	t      *testing.T
	l      *Policy
	heard  *receiver.Streams
	now    time.Time
	from   receiver.Origin
	layers int
	rate   int64 // of layer 0, as stated
	sync   bool  // every packet allows to join
	slots  uint64
	seq    [proto.MaxLayers]uint32
}

func newLayered(t *testing.T, cfg Config) *layered {
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(1, 2))
	}
	heard := new(receiver.Streams)
	return &layered{t: t, l: New(heard, cfg), heard: heard, now: dawn, from: here, layers: 4, rate: 1_000_000, sync: true}
}

const (
	perSecond = 100 // packets on layer 0
	// maxStreams is what a receiver measures: "streams of which loss is measured |
	// 256" spec.md 7.5
	maxStreams = 256
)

// step lets one slot pass. A packet is heard if the policy wants its layer and
// it is not lost.
func (s *layered) step(lost bool) {
	at := s.slots | 1<<(s.layers-1)
	layer := max(0, s.layers-1-bits.TrailingZeros64(at))
	s.slots++
	s.now = s.now.Add(time.Second / perSecond >> (s.layers - 1))
	s.seq[layer]++
	if lost || layer > s.l.Level() {
		return
	}
	p := proto.Path{Layer: layer, Layers: s.layers, Seq: s.seq[layer], Sender: 1, Senders: 1,
		Rate: proto.RateCodeOf(s.rate << max(0, layer-1))}
	if s.sync {
		p.Flags = proto.PathSync
	}
	s.hear(s.from, p)
}

// hear gives a packet to the policy.
func (s *layered) hear(from receiver.Origin, p proto.Path) {
	s.heard.Note(s.now, from, &p)
	s.l.Hear(s.now, s.heard.Take())
}

// lossy is step with a loss in percent, evenly spread: of every layer alike.
func (s *layered) lossy(percent float64) {
	block := s.slots >> (s.layers - 1)
	s.step(int(float64(block+1)*percent/100) > int(float64(block)*percent/100))
}

// pass lets time pass.
func (s *layered) pass(d time.Duration, percent float64) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.lossy(percent)
	}
}

// until lets time pass until the level changes, at most for d.
func (s *layered) until(d time.Duration, percent float64) time.Duration {
	level, began := s.l.Level(), s.now
	for s.now.Sub(began) < d && s.l.Level() == level {
		s.lossy(percent)
	}
	return s.now.Sub(began)
}

func (s *layered) want(why string, level int) {
	s.t.Helper()
	if got := s.l.Level(); got != level {
		s.t.Fatalf("after %v, %s: level %d, want %d", s.now.Sub(dawn), why, got, level)
	}
}

// climb goes up to a level without loss.
func (s *layered) climb(level int) {
	s.t.Helper()
	for s.l.Level() < level {
		was := s.l.Level()
		s.until(10*time.Minute, 0)
		s.want("without loss", was+1)
	}
}

// near fails unless a time is about what it should be.
func near(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s after %v, want %v to %v", what, got, low, high)
	}
}

func TestLevelsRiseOneByOne(t *testing.T) {
	// "A receiver has a level, at first 0 ... After a packet with SP of the top
	// layer a receiver joins the next one, if the sender of that packet has one
	// more ... 3 s have passed since the last join" spec.md 10.3
	s := newLayered(t, Config{})
	s.want("at first", 0)
	near(t, "level 1", s.until(time.Minute, 0), windowTime, 2100*time.Millisecond)
	for level := 2; level < 4; level++ {
		near(t, "the next level", s.until(time.Minute, 0), trialTime, 3100*time.Millisecond)
		s.want("one more", level)
	}
	s.pass(time.Minute, 0)
	s.want("there is no further layer", 3)
}

func TestNobodyJoinsWithoutSP(t *testing.T) {
	s := newLayered(t, Config{})
	s.sync = false
	s.pass(time.Minute, 0)
	s.want("no SP", 0)
	s.hear(s.from, proto.Path{Flags: proto.PathSync, Layer: 1, Layers: 4})
	s.want("SP of a layer above the top", 0)
	s.sync = true
	s.pass(time.Second, 0)
	s.want("SP", 1)
}

func TestLimitsOfTheUser(t *testing.T) {
	// "and neither its number nor the stated rate of all is above a limit of the
	// user" spec.md 10.3. Stated rates are rounded to the next of eight an octave.
	tests := []struct {
		cfg  Config
		want int
	}{
		{Config{Max: 1}, 0}, {Config{Max: 3}, 2}, {Config{Max: 16}, 3},
		{Config{MaxRate: 500_000}, 0}, {Config{MaxRate: 1_000_000}, 0}, {Config{MaxRate: 1_900_000}, 0},
		{Config{MaxRate: 2_000_000}, 1}, {Config{MaxRate: 4_000_000}, 2}, {Config{MaxRate: 7_500_000}, 2},
		{Config{MaxRate: 8_000_000}, 3},
	}
	for _, test := range tests {
		s := newLayered(t, test.cfg)
		s.pass(30*time.Second, 0)
		if got := s.l.Level(); got != test.want {
			t.Errorf("max %d, rate %d: level %d, want %d", test.cfg.Max, test.cfg.MaxRate, got, test.want)
		}
	}
}

func TestAnotherSenderCountsToTheHighestRate(t *testing.T) {
	s := newLayered(t, Config{MaxRate: 4_000_000})
	s.climb(2)
	for range 600 { // of a rate of its own
		s.pass(10*time.Millisecond, 0)
		s.hear(elsewhere(1), proto.Path{Layers: 1, Rate: proto.RateCodeOf(500_000), Seq: uint32(s.slots)})
	}
	s.want("4.5 Mbit/s in all", 1)
	s.pass(receiver.ForgetAfter+windowTime, 0)
	s.want("the other one is gone", 2)
}

// elsewhere is another sender.
func elsewhere(i int) receiver.Origin {
	return receiver.Origin{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7), Interface: 2}
}

func TestATrialEndsAsSoonAsItHasFailed(t *testing.T) {
	// "in the first 3 s after the join, or until a window is complete, as soon as
	// the present one can only become bad: if more than 5 % of the packets that it
	// will have are lost already" spec.md 10.3
	for _, test := range []struct {
		loss      float64
		low, high time.Duration
	}{
		{50, 100 * time.Millisecond, 300 * time.Millisecond},
		{20, 400 * time.Millisecond, 600 * time.Millisecond},
		{7, 1300 * time.Millisecond, 1600 * time.Millisecond},
	} {
		s := newLayered(t, Config{})
		s.climb(3)
		near(t, "the trial failed", s.until(time.Minute, test.loss), test.low, test.high)
		s.want("a failed trial", 2)
	}
	s := newLayered(t, Config{})
	s.climb(3)
	s.pass(time.Minute, 4)
	s.want("4 % of loss", 3)
}

func TestALayerOfWhichNothingArrivesIsLeft(t *testing.T) {
	// "It is bad ... if nothing of the top layer arrived in the first one."
	// spec.md 10.3
	s := newLayered(t, Config{})
	s.climb(1)
	began := s.now
	for s.l.Level() == 1 && s.now.Sub(began) < time.Minute {
		s.step(s.slots%8 == 4) // of layer 1
	}
	near(t, "the silent layer is left", s.now.Sub(began), windowTime, windowTime+time.Second)
	s.want("nothing was heard on layer 1", 0)
}

func TestJoinTimers(t *testing.T) {
	// "A layer that is left for the first time gets a join timer of 8 s. Each
	// further time doubles it, up to 5 minutes ... It runs for its time ±20 %, at
	// random." spec.md 10.3
	s := newLayered(t, Config{})
	s.climb(2)
	for _, want := range []time.Duration{8, 16, 32, 64, 128, 256, 300, 300} {
		s.until(time.Minute, 30)
		s.want("another failure", 1)
		want *= time.Second
		took := s.until(10*time.Minute, 0)
		near(t, "the next trial", took, want*4/5, want*6/5+time.Second)
		s.want("the timer is over", 2)
	}
}

func TestSuccessHalvesTheJoinTimer(t *testing.T) {
	// "and 30 s as top layer halve it, down to 8 s" spec.md 10.3
	s := newLayered(t, Config{Max: 3})
	s.climb(2)
	for range 4 { // up to 64 s
		s.until(time.Minute, 30)
		s.climb(2)
	}
	s.pass(settleTime+windowTime, 0)
	s.until(time.Minute, 70) // 32 s, doubled
	near(t, "the next trial", s.until(10*time.Minute, 0), 64*time.Second*4/5, 64*time.Second*6/5+time.Second)
	s.climb(2)
	s.l.joins[2].interval = maxJoinTime // not a power of two above the least
	for range 6 {
		s.l.proven = false
		s.pass(settleTime+windowTime, 0)
	}
	if got := s.l.joins[2].interval; got != minJoinTime {
		t.Errorf("the timer is %v after successes, want %v", got, minJoinTime)
	}
}

func TestNothingIsMeasuredRightAfterALeave(t *testing.T) {
	// "All windows begin again with every change of the level, and 4 s after a
	// layer was left because of loss." spec.md 10.3
	s := newLayered(t, Config{})
	s.climb(2)
	s.until(time.Minute, 50)
	s.want("a failed trial", 1)
	s.pass(deafTime-100*time.Millisecond, 99) // the routers go on, the queues are full
	s.pass(30*time.Second, 0)
	s.want("and again", 3)
}

func TestASettledLevelWaitsForOthersToLeave(t *testing.T) {
	// "if all windows of a path were bad for 6 s, and for 12 s once the level is
	// 30 s old" spec.md 10.3
	young := newLayered(t, Config{Max: 3})
	young.climb(2)
	young.pass(10*time.Second, 0)
	near(t, "a young level is left", young.until(time.Minute, 40), shortTime-windowTime, shortTime+2*windowTime)
	young.want("too much loss", 1)

	old := newLayered(t, Config{Max: 3})
	old.climb(2)
	old.pass(time.Minute, 0)
	for range 5 {
		old.pass(5*time.Second, 50)
		old.pass(5*time.Second, 0)
	}
	old.want("others who try and leave", 2)
	near(t, "an old level is left", old.until(time.Minute, 40), longTime-windowTime, longTime+2*windowTime)
	old.want("too much loss", 1)
}

func TestHugeLossIsNobodyElse(t *testing.T) {
	// "after a window with more than 60 % of loss" spec.md 10.3
	s := newLayered(t, Config{})
	s.climb(3)
	s.pass(time.Minute, 0)
	near(t, "the level is left", s.until(time.Minute, 75), 0, 2*windowTime)
	s.want("a link that broke down", 2)
	near(t, "the next one too", s.until(time.Minute, 75), deafTime, deafTime+2*windowTime)
	s.want("a link that broke down", 1)
}

func TestTheFailureOfOthersRestartsTheTimer(t *testing.T) {
	// "A bad window that is not followed by a leave restarts the join timer of
	// the next layer, if it has one." spec.md 10.3
	s := newLayered(t, Config{})
	s.climb(2)
	s.until(time.Minute, 30)
	for range 10 {
		s.pass(4*time.Second, 0)
		s.pass(2*time.Second, 30)
		s.want("others fail", 1)
	}
	near(t, "its own turn", s.until(time.Minute, 0), minJoinTime*4/5-2*windowTime, minJoinTime*6/5+windowTime)
	s.want("nobody else tries", 2)

	s = newLayered(t, Config{})
	s.climb(1)
	s.sync = false
	s.pass(10*time.Second, 0)
	s.pass(2*time.Second, 30)
	s.sync = true
	near(t, "a layer that never failed", s.until(time.Minute, 0), 0, 2*windowTime)
	s.want("what failed was higher up", 2)
}

func TestTheCircuitBreaks(t *testing.T) {
	// "If on layer 0 the windows of every path had more than 50 % of loss for 30 s,
	// a receiver leaves all layers, and comes back to layer 0 after 60 s ±50 %
	// (RFC 8085, 3.1.10)." spec.md 10.3
	s := newLayered(t, Config{})
	s.pass(time.Minute, 45)
	s.want("45 % of loss", 0)
	for range 5 {
		near(t, "the break", s.until(5*time.Minute, 60), heavyTime, heavyTime+4*windowTime)
		s.want("60 % of loss", -1)
		wake := s.l.Wake()
		near(t, "the end of the break", wake.Sub(s.now), breakTime/2-windowTime, breakTime*3/2)
		s.pass(wake.Sub(s.now)-time.Second, 0)
		s.l.Tick(s.now)
		s.want("still the break", -1)
		s.now = wake
		s.l.Tick(s.now)
		s.want("after the break", 0)
		if !s.l.Wake().IsZero() {
			t.Error("wakes again")
		}
	}
}

func TestASlowSenderIsMeasuredByItsPackets(t *testing.T) {
	// "A window is the longer of 2 s and 200 packets." spec.md 10.3
	s := newLayered(t, Config{})
	for i := range 200 {
		s.want("packets that are too few", 0)
		s.now = s.now.Add(time.Second)
		s.hear(here, proto.Path{Flags: proto.PathSync, Layers: 2, Seq: uint32(i)})
	}
	s.hear(here, proto.Path{Flags: proto.PathSync, Layers: 2, Seq: 200})
	s.want("200 packets after the first", 1)
}

func TestOneLevelForAllSenders(t *testing.T) {
	// "the last window of this path was good, without a new start, and that of no
	// other path was bad" and "A receiver with several paths uses the worst one"
	// spec.md 10.3; but a receiver is off only if "every path" is useless.
	good, worse := newLayered(t, Config{}), newLayered(t, Config{})
	worse.l, worse.heard, worse.from = good.l, good.heard, elsewhere(1)
	both := func(d time.Duration, loss float64) {
		for end := good.now.Add(d); good.now.Before(end); {
			good.pass(10*time.Millisecond, 0)
			worse.pass(10*time.Millisecond, loss)
		}
	}
	both(20*time.Second, 0)
	good.want("both without loss", 3)
	both(3*time.Minute, 55)
	good.want("one is of no use", 0)
	both(time.Minute, 0)
	good.want("both without loss", 3)
}

func TestForgersCanOnlyKeepALevelDown(t *testing.T) {
	// "So packets from forged addresses can keep a receiver on layer 0, but neither
	// off it nor above what loss allows. Those from the address and port of a true
	// sender can turn it off." spec.md 10.3
	forgeries := map[string]func(s *layered, i int) (receiver.Origin, proto.Path){
		"SP on all layers, and no loss": func(s *layered, i int) (receiver.Origin, proto.Path) {
			return elsewhere(0), proto.Path{Flags: proto.PathSync, Layer: max(0, s.l.Level()), Layers: 16, Seq: uint32(i)}
		},
		"many senders without loss": func(s *layered, i int) (receiver.Origin, proto.Path) {
			return elsewhere(i % 1000), proto.Path{Flags: proto.PathSync, Layer: max(0, s.l.Level()), Layers: 16, Seq: uint32(i / 1000)}
		},
		"new senders all the time": func(s *layered, i int) (receiver.Origin, proto.Path) {
			return elsewhere(i), proto.Path{Flags: proto.PathSync, Layer: i % 16, Layers: 16, Seq: uint32(i)}
		},
		"new starts of the true sender": func(s *layered, i int) (receiver.Origin, proto.Path) {
			return s.from, proto.Path{Flags: proto.PathSync, Layer: max(0, s.l.Level()), Layers: 16, Seq: uint32(i) << 24}
		},
		"gaps of another sender": func(s *layered, i int) (receiver.Origin, proto.Path) {
			return elsewhere(0), proto.Path{Flags: proto.PathSync, Layers: 16, Seq: uint32(i * 1000)}
		},
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			const loss = 30 // of layers 1 and up
			s := newLayered(t, Config{})
			above := time.Duration(0)
			for i := 0; s.now.Sub(dawn) < 3*time.Minute; i++ {
				from, p := forge(s, i)
				s.hear(from, p)
				before := s.now
				percent := 0.0
				if s.l.Level() > 0 {
					percent = loss
				}
				s.lossy(percent)
				if s.l.Level() > 0 {
					above += s.now.Sub(before)
				}
				if s.l.Level() < 0 && from != s.from {
					t.Fatal("the receiver is off")
				}
				if n := len(s.l.paths.all); n > 2*maxStreams {
					t.Fatalf("%d paths", n)
				}
			}
			if above > 20*time.Second {
				t.Errorf("above what loss allows for %v of 3 minutes", above)
			}
		})
	}
}

func TestAnyPathWordIsFine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	heard, now := new(receiver.Streams), dawn
	l := New(heard, Config{Rand: rnd, MaxRate: 1})
	for range 100_000 {
		now = now.Add(time.Duration(rnd.IntN(20)) * time.Millisecond)
		if wake := l.Wake(); !wake.IsZero() && wake.Before(now) {
			l.Tick(now)
		}
		heard.Note(now, elsewhere(rnd.IntN(3)), &proto.Path{
			Flags: proto.PathFlags(rnd.IntN(256)), Layer: rnd.IntN(16), Layers: 1 + rnd.IntN(16),
			Rate: proto.RateCode(rnd.IntN(256)), Seq: rnd.Uint32() >> rnd.IntN(32),
		})
		l.Hear(now, heard.Take())
		if got := l.Level(); got < -1 || got >= proto.MaxLayers {
			t.Fatalf("level %d", got)
		}
	}
}

func TestHearDoesNotAllocate(t *testing.T) {
	s := newLayered(t, Config{})
	s.climb(3)
	if got := testing.AllocsPerRun(1000, func() { s.lossy(1) }); got > 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
