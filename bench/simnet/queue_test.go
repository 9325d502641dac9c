// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQueueOrdersByTimeThenByArrival(t *testing.T) {
	type item struct {
		at time.Duration
		n  int
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for size := range 100 {
		var q Queue[item]
		var want, got []item
		push := func(after time.Duration) {
			i := item{after + time.Duration(rnd.IntN(5)), len(want)}
			q.Push(i.at, i)
			want = append(want, i)
		}
		pop := func() time.Duration {
			at, ok := q.Next()
			got = append(got, q.Pop())
			if last := got[len(got)-1]; !ok || at != last.at {
				t.Fatalf("Next says %v, %v, but the next packet is due at %v", at, ok, last.at)
			}
			return at
		}
		for range size {
			push(0)
		}
		for i := range size { // what is handled causes more, as in a simulation
			if at := pop(); i%2 == 0 {
				push(at)
			}
		}
		for q.Len() > 0 {
			pop()
		}
		slices.SortStableFunc(want, func(a, b item) int { return int(a.at - b.at) })
		if !slices.Equal(got, want) {
			t.Fatalf("size %d: got %v, want %v", size, got, want)
		}
		if at, ok := q.Next(); ok {
			t.Errorf("an empty queue has something due at %v", at)
		}
	}
}

func TestQueueKeepsNoReferences(t *testing.T) {
	var q Queue[*int]
	for range 5 {
		q.Push(0, new(int))
	}
	for q.Len() > 0 {
		q.Pop()
	}
	for i, d := range q.heap[:5] {
		if d.item != nil {
			t.Errorf("place %d still refers to what left", i)
		}
	}
}

func TestQueueDoesNotAllocate(t *testing.T) {
	var q Queue[[]byte]
	for i := range 100 {
		q.Push(time.Duration(i), nil)
	}
	q.Pop()
	at := time.Duration(100)
	if got := testing.AllocsPerRun(1000, func() { at++; q.Push(at, nil); q.Pop() }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkQueue(b *testing.B) {
	var q Queue[uint32]
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		q.Push(time.Duration(rnd.IntN(1000)), 0)
	}
	b.ReportAllocs()
	for b.Loop() {
		at, _ := q.Next()
		q.Pop()
		q.Push(at+time.Duration(rnd.IntN(1000)), 0)
	}
}
