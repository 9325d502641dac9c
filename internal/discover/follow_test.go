// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A scene is a Follower at some time.
type scene struct {
	t   *testing.T
	f   *Follower
	now time.Time
}

func newScene(t *testing.T) *scene { return &scene{t, NewFollower(0), time.Unix(1e9, 0)} }

// planOf makes a plan that holds for a minute, with a level for each word; a
// letter of it is a source.
func planOf(words string) *Plan {
	p := &Plan{Refresh: time.Minute}
	for i, word := range strings.Fields(words) {
		l := Level{Priority: uint16(i)}
		for _, c := range []byte(word) {
			l.Sources = append(l.Sources, Source{Addr: netip.AddrFrom4([4]byte{192, 0, 2, c}), Port: 1})
		}
		p.Levels = append(p.Levels, l)
	}
	return p
}

func (s *scene) wait(d time.Duration) { s.now = s.now.Add(d) }

// found asks, as it has to be time for that, and gets an answer.
func (s *scene) found(words string) (changed bool) {
	s.t.Helper()
	s.wantAsk("to get an answer")
	return s.f.Found(s.now, planOf(words))
}

func (s *scene) wantAsk(why string) {
	s.t.Helper()
	if !s.f.Ask(s.now) {
		s.t.Fatalf("%s: not time to ask", why)
	}
}

func (s *scene) wantNoAsk(why string) {
	s.t.Helper()
	if s.f.Ask(s.now) {
		s.t.Fatalf("%s: time to ask", why)
	}
}

// wantActive fails the test unless the sources of the active level are these.
func (s *scene) wantActive(why, word string) {
	s.t.Helper()
	if got, want := fmt.Sprint(s.f.Active().Sources), fmt.Sprint(planOf(word).Levels[0].Sources); got != want {
		s.t.Fatalf("%s: active is %s, want %s", why, got, want)
	}
}

func (s *scene) wantTick(why string, want bool) {
	s.t.Helper()
	if got := s.f.Tick(s.now); got != want {
		s.t.Fatalf("%s: Tick = %v, want %v", why, got, want)
	}
}

func TestTheAnswerIsAskedForAgain(t *testing.T) {
	// "The questions are asked again after 5 min." spec.md 8.3
	s := newScene(t)
	s.wantTick("without a plan", false)
	if !s.found("a") {
		t.Fatal("the first plan does not count as a change")
	}
	s.wait(time.Minute - 1)
	s.wantNoAsk("the plan still holds")
	s.wait(1)
	s.wantAsk("the plan holds no longer")
	s.wait(time.Hour)
	s.wantNoAsk("one question at a time")
}

func TestAFailedQuestionIsAskedAgainEverMoreSlowly(t *testing.T) {
	// "If there is no answer, the old one stays, and the question is asked again
	// after 5 s, then twice as long each time up to 5 min." spec.md 8.3
	s := newScene(t)
	for _, want := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300, 300} {
		s.wantAsk("the first time, or after a failure")
		if got := s.f.Failed(s.now); got != want*time.Second {
			t.Fatalf("waits %v, want %ds", got, want)
		}
		s.wait(want*time.Second - 1)
		s.wantNoAsk("too soon")
		s.wait(1)
	}
	s.found("a")
	for range 100 { // which doubles no longer
		s.wait(5 * time.Minute)
		s.wantAsk("the plan holds no longer")
		s.f.Failed(s.now)
		s.wantActive("an old plan is better than none", "a")
	}
	s.wait(5 * time.Minute)
	s.found("a")
	s.wait(time.Minute)
	s.wantAsk("the plan holds no longer")
	if got := s.f.Failed(s.now); got != minBackoff {
		t.Errorf("waits %v after a success, want %v", got, minBackoff)
	}
}

func TestTheNextPriorityFollowsSilence(t *testing.T) {
	// "After 30 s without a packet the records of the next priority replace them,
	// and after the last priority comes the first again." spec.md 8.3
	s := newScene(t)
	s.found("ab c d")
	s.wantActive("at first", "ab")
	for range 10 {
		s.wait(30*time.Second - 1)
		s.wantTick("not silent for long enough", false)
		s.f.Heard(s.now)
	}
	for _, next := range []string{"c", "d", "ab", "c"} {
		s.wait(30*time.Second - 1)
		s.wantTick("not silent for long enough", false)
		s.wait(1)
		s.wantTick("silent for 30 s", true)
		s.wantTick("a new one is given time", false)
		s.wantActive("after silence", next)
	}
}

func TestSilenceIsAReasonToAsk(t *testing.T) {
	// "They are also asked again when no packet has come for 30 s ..., and in the
	// same silence after 60 s, 120 s, and so on." spec.md 8.3
	s := newScene(t)
	p := planOf("a")
	p.Refresh = time.Hour
	s.wantAsk("the first time")
	s.f.Found(s.now, p)
	for range 3 {
		silence := time.Duration(0)
		for _, at := range []time.Duration{30, 60, 120, 240} {
			s.wait(at*time.Second - silence - 1)
			s.wantTick("a single priority", false)
			s.wantNoAsk("not silent for long enough")
			s.wait(1)
			s.wantTick("a single priority", false)
			s.wantAsk("silent for long enough")
			s.f.Found(s.now, p)
			silence = at * time.Second
		}
		s.f.Heard(s.now)
	}
	s.wait(30 * time.Second)
	s.f.Tick(s.now)
	for range 6 {
		s.wantAsk("silent for long enough, or some time after a failure")
		wait := s.f.Failed(s.now)
		s.wait(wait - 1)
		s.f.Tick(s.now)
		s.wantNoAsk("silence does not hurry what fails")
		s.wait(1)
	}
}

func TestASinglePriorityIsNotLeft(t *testing.T) {
	s := newScene(t)
	s.found("a")
	s.wait(time.Hour)
	s.wantTick("there is no other", false)
	s.wantActive("there is no other", "a")
}

func TestARefreshTurnsBackOnlyIfSomethingBetterChanged(t *testing.T) {
	// "If a refresh changes neither the present priority nor a better one, the
	// receiver stays at the present priority; otherwise it starts at the first
	// one again." spec.md 8.3
	tests := []struct {
		name, before, after string
		changed             bool
		want                string
	}{
		{"nothing changed", "a b c", "a b c", false, "b"},
		{"a worse one changed", "a b c", "a b d", false, "b"},
		{"a worse one came", "a b", "a b c", false, "b"},
		{"a worse one went", "a b c", "a b", false, "b"},
		{"a better one changed", "a b c", "d b c", true, "d"},
		{"the active one changed", "a b c", "a bd c", true, "a"},
		{"the active one went", "a b", "a", true, "a"},
	}
	for _, test := range tests {
		s := newScene(t)
		s.found(test.before)
		s.wait(30 * time.Second)
		s.wantTick("silence", true)
		s.wait(30*time.Second - 1)
		s.f.Heard(s.now)
		s.wait(1)
		if got := s.found(test.after); got != test.changed {
			t.Errorf("%s: changed = %v, want %v", test.name, got, test.changed)
		}
		s.wantActive(test.name, test.want)
	}
	s := newScene(t)
	s.found("a")
	s.wait(time.Minute)
	s.wantAsk("the plan holds no longer")
	p := planOf("a")
	p.Group4 = netip.MustParseAddr("232.1.2.3")
	if !s.f.Found(s.now, p) {
		t.Error("another group does not count as a change")
	}
}

func TestARefreshDoesNotEndASilence(t *testing.T) {
	s := newScene(t)
	p := planOf("a b")
	p.Refresh = 20 * time.Second
	for range 2 {
		s.wantAsk("the plan holds no longer")
		s.f.Found(s.now, p)
		s.wait(20 * time.Second)
	}
	s.wantTick("silent for 40 s", true)
}
