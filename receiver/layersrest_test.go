// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A lossyWay tells which share of the packets is lost at a time, while so many
// times the rate of layer 0 are received.
type lossyWay func(at time.Duration, rate float64) float64

// travel lets time pass on a way that loses packets at random. Layers are joined
// every 4 s at most.
func (s *layered) travel(d time.Duration, way lossyWay) (above [5]time.Duration) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for end := s.now.Add(d); s.now.Before(end); {
		at, level := s.now.Sub(dawn), s.l.Level()
		s.sync = at%(4*time.Second) < 80*time.Millisecond
		s.step(rnd.Float64() < way(at, float64(int(1)<<max(0, level))))
		for l := range max(0, level+1) {
			above[l] += s.now.Sub(dawn) - at
		}
	}
	return above
}

// crowded is a link of a rate, which some of that of layer 0 share, and which
// loses a share of the rest.
func crowded(rate, others, rest float64) lossyWay {
	return func(_ time.Duration, own float64) float64 { return 1 - (1-rest)*min(1, rate/(others+own)) }
}

func TestLossAtRestIsNoCongestion(t *testing.T) {
	// "a radio link goes on as it did: what a join adds to the loss is congestion,
	// and what was there before is not." spec.md 10.3
	for _, percent := range []float64{3, 10, 20, 30} {
		t.Run(fmt.Sprint(percent), func(t *testing.T) {
			s := newLayered(t, LayersConfig{})
			s.travel(time.Minute, crowded(100, 0, percent/100))
			s.want("only loss at rest", 3)
			if above := s.travel(4*time.Minute, crowded(100, 0, percent/100)); above[3] < 4*time.Minute-time.Second {
				t.Errorf("on the top layer for %v of 4 minutes", above[3])
			}
		})
	}
	// "and rest is never above 30 %"
	s := newLayered(t, LayersConfig{})
	s.travel(3*time.Minute, crowded(100, 0, 0.48))
	s.want("48 % of loss", 0)
}

func TestALinkIsFoundOutBesideLossAtRest(t *testing.T) {
	for _, percent := range []float64{0, 10, 20} {
		for level, rate := range []float64{1.3, 2.6, 5.2} {
			s := newLayered(t, LayersConfig{})
			way := crowded(rate, 0, percent/100)
			s.travel(2*time.Minute, way)
			above := s.travel(8*time.Minute, way)
			if above[level] < 8*time.Minute-5*time.Second || above[level+1] > 10*time.Second {
				t.Errorf("%v %% of loss: of 8 minutes %v on level %d, %v above", percent, above[level], level, above[level+1])
			}
		}
	}
}

func TestBurstsAreNoCongestion(t *testing.T) {
	// "Congestion lasts, and a burst does not" spec.md 10.3
	for _, test := range []struct{ every, burst time.Duration }{
		{4 * time.Second, 400 * time.Millisecond},
		{500 * time.Millisecond, 50 * time.Millisecond},
		{30 * time.Second, 1200 * time.Millisecond},
	} {
		s := newLayered(t, LayersConfig{})
		way := func(at time.Duration, _ float64) float64 {
			if (at+time.Second)%test.every < test.burst {
				return 1
			}
			return 0
		}
		s.travel(time.Minute, way)
		if above := s.travel(2*time.Minute, way); above[3] < 2*time.Minute-time.Second {
			t.Errorf("%v lost every %v: %v of 2 minutes on the top layer", test.burst, test.every, above[3])
		}
	}
}

func TestCongestionIsNotLearnt(t *testing.T) {
	// "Above it, loss that grows slowly may be theirs, and is not learnt."
	// spec.md 10.3
	const began = time.Minute
	later := func(w lossyWay) lossyWay {
		return func(at time.Duration, own float64) float64 {
			if at < began {
				return 0
			}
			return w(at, own)
		}
	}
	growing := func(at time.Duration, own float64) float64 { // from 0 to 8 in 8 minutes
		return crowded(8, (at-began).Minutes(), 0)(at, own)
	}
	tests := []struct {
		name string
		way  lossyWay
		high int     // the highest level to keep
		most float64 // of loss, in percent
	}{
		{"others who take half of a link", later(crowded(8, 8, 0)), 0, 15},
		{"others who take almost all", later(crowded(9, 8, 0)), 0, 5},
		{"many others on a large link", later(crowded(40, 40, 0)), 2, 10},
		{"others who come one by one", growing, 3, 8},
		{"a link below layer 0", later(crowded(0.8, 0, 0)), 0, 25},
		{"and that loses, too", later(crowded(0.8, 0, 0.1)), 0, 33},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newLayered(t, LayersConfig{})
			s.travel(began+time.Minute, test.way)
			var lost, sent float64
			above := s.travel(7*time.Minute, func(at time.Duration, own float64) float64 {
				loss := test.way(at, own)
				sent, lost = sent+1, lost+loss
				return loss
			})
			if above[test.high+1] > 20*time.Second {
				t.Errorf("%v of 7 minutes above level %d", above[test.high+1], test.high)
			}
			if got := 100 * lost / sent; got > test.most {
				t.Errorf("%.1f %% of the packets are lost, want at most %v", got, test.most)
			}
		})
	}
}

func TestOtherLossAtRestIsLearntOnLayer0(t *testing.T) {
	// "Layer 0 is where to learn the latter: there is nothing to leave" spec.md 10.3
	s := newLayered(t, LayersConfig{})
	s.travel(time.Minute, crowded(100, 0, 0))
	s.want("no loss", 3)
	if above := s.travel(90*time.Second, crowded(100, 0, 0.15)); above[1] == above[0] {
		t.Error("layer 0 was never alone")
	}
	s.want("15 % of loss from now on", 3)
}

func TestRestIsLearntFromWindows(t *testing.T) {
	// "Each further window brings it nearer to its own loss, by half if that is
	// lower, and by a quarter if it is higher ... A window counts for at most 25 %
	// above rest, and rest is never above 30 %, nor by more than 3 % above what
	// layer 0 told last." spec.md 10.3
	tests := []struct {
		level      int
		loss, want float64
	}{
		{1, 4, 1}, {2, 50, 3}, // never on layer 0
		{0, 40, 28}, // the first window there
		{0, 20, 24}, {0, 28, 25}, {1, 29, 26}, {2, 38, 28}, {2, 20, 24}, {3, 36, 27}, {3, 36, 28},
		{0, 90, 30}, {1, 34, 30}, {1, 0, 15}, {0, 0, 7.5}, {1, 90, 10.5},
	}
	var p path
	for i, test := range tests {
		p.window.sent, p.window.lost = 1000, int64(10*test.loss)
		if p.learn(test.level); p.rest != test.want {
			t.Fatalf("after window %d, of %v %% on layer %d: rest is %v, want %v", i, test.loss, test.level, p.rest, test.want)
		}
	}
}
