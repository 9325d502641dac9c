// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"
	"testing"
	"time"
)

func TestGroupsAreLeftAtOnceAndThenLessAndLessOften(t *testing.T) {
	var l leaving
	now := time.Unix(1000, 0)
	for _, wait := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 64, 64, 64} {
		wait *= time.Second
		if l.due(now, true) {
			t.Fatal("the groups are left while packets are wanted")
		}
		if got := l.due(now, false); got != (wait == 0) {
			t.Fatalf("left at once: %v; want it after %v", got, wait)
		}
		if wait > 0 && (!l.at.Equal(now.Add(wait)) || l.due(now.Add(wait-1), false)) {
			t.Fatalf("wakes after %v, want %v", l.at.Sub(now), wait)
		}
		now = now.Add(wait)
		if !l.due(now, false) || !l.due(now, false) || !l.at.IsZero() {
			t.Fatalf("not left after %v", wait)
		}
	}
}

func TestAReceiverThatMissesNothingWantsNoPackets(t *testing.T) {
	if r := new(Receiver); !r.Wants() {
		t.Error("nothing is wanted before the first packet")
	}
	for _, collected := range []bool{false, true} {
		if r := (&Receiver{object: &object{collected: collected}}); r.Wants() == collected {
			t.Errorf("collected %v: wants packets: %v", collected, r.Wants())
		}
	}
}

func TestTheGroupsAreLeftWhenEverythingIsThere(t *testing.T) {
	s := shell{r: &Receiver{object: new(object)}, levels: make(chan int, 1)}
	now := time.Unix(1000, 0)
	var joined []int
	follow := func(collected bool) {
		s.r.object.collected = collected
		s.follow(now)
		select {
		case level := <-s.levels:
			joined = append(joined, level)
		default:
		}
	}
	follow(false)
	follow(true)
	follow(true)
	follow(false) // a forged shard was found
	follow(true)
	if want := []int{-1, 0}; !slices.Equal(joined, want) {
		t.Fatalf("joined %v, want %v", joined, want)
	}
	now = now.Add(time.Second)
	follow(true)
	if want := []int{-1, 0, -1}; !slices.Equal(joined, want) {
		t.Fatalf("joined %v, want %v", joined, want)
	}
}
