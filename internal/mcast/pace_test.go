// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"testing"
	"time"
)

func TestTheBufferMustStandAPause(t *testing.T) {
	for _, test := range []struct {
		buffer int
		want   time.Duration
	}{
		{0, 0}, {1 << 16, 0}, {300_000, 0}, {425_984, shortestPause}, {1 << 20, longestPause}, {64 << 20, longestPause},
	} {
		p := newPace(test.buffer)
		if p.pause != test.want {
			t.Errorf("a buffer of %d bytes: pauses of %v, want %v", test.buffer, p.pause, test.want)
		}
		// 1 Gbit/s, of which the kernel counts twice the bytes.
		if came := int(p.pause.Microseconds()) * 125; 2*came > test.buffer*2/3 {
			t.Errorf("a buffer of %d bytes: %d may come in a pause", test.buffer, came)
		}
	}
}

// arrivals reads datagrams of 1232 bytes that come at intervals, as ReadBatch and
// PollBatch do, and returns how often somebody had to wake up, and how late the
// latest datagram was.
func arrivals(p *pace, n int, interval time.Duration) (wakes int, late time.Duration) {
	began := time.Now()
	for i, now := 0, began; i < n; wakes++ {
		next := began.Add(time.Duration(i+1) * interval)
		if p.rest > 0 {
			now = now.Add(p.rest)
		} else {
			now = next
		}
		read := 0
		for ; i < n && !next.After(now); next = next.Add(interval) {
			late = max(late, now.Sub(next))
			read += 1232
			i++
		}
		if read > 0 {
			p.read(now, read, true)
		} else {
			p.nothing(now)
		}
	}
	return wakes, late
}

func TestDatagramsThatComeOneAfterTheOtherAreReadTogether(t *testing.T) {
	// "while datagrams come one after the other, they are left in the kernel's
	// buffer for a moment, and several are read at once. One that comes alone never
	// waits."
	const n = 1000
	for _, test := range []struct {
		interval time.Duration
		most     int // wake-ups
		late     time.Duration
	}{
		{100 * time.Microsecond, n/19 + 5, longestPause}, // 100 Mbit/s
		{time.Millisecond, n*10/19 + 5, longestPause},    // 10 Mbit/s
		{5 * time.Millisecond, n, 0},
		{time.Second, n, 0},
	} {
		p := newPace(4 << 20)
		wakes, late := arrivals(&p, n, test.interval)
		if wakes > test.most || late > test.late {
			t.Errorf("one every %v: %d wake-ups, %v late; want %d and %v at most", test.interval, wakes, late, test.most, test.late)
		}
	}
}

func TestAPauseThatTheBufferMayNotStandIsLeftOut(t *testing.T) {
	const buffer = 1 << 20
	now := time.Now()
	for _, test := range []struct {
		what  string
		bytes int
		all   bool
		want  time.Duration
	}{
		{"little", 10_000, true, longestPause},
		{"more than was read", 10_000, false, 0},
		{"a quarter of the buffer, and as much for the kernel", buffer/4 + 1, true, 0},
	} {
		p := newPace(buffer)
		p.read(now, 1232, true)
		if p.rest != 0 {
			t.Errorf("the first datagram: rest of %v", p.rest)
		}
		if p.read(now.Add(time.Millisecond), test.bytes, test.all); p.rest != test.want {
			t.Errorf("%s: rest of %v, want %v", test.what, p.rest, test.want)
		}
	}
	// Much at a time is for two goroutines.
	p := newPace(buffer)
	p.read(now, few, true)
	if p.read(now, few, true); p.shared() != longestPause {
		t.Errorf("little: a pause of %v for one goroutine", p.shared())
	}
	if p.read(now, few+1, true); p.shared() != 0 || p.rest != longestPause {
		t.Errorf("much: a pause of %v for one goroutine and %v for two", p.shared(), p.rest)
	}
	if p.nothing(now); p.shared() != longestPause {
		t.Errorf("nothing: a pause of %v for one goroutine", p.shared())
	}
	// In several batches.
	p = newPace(buffer)
	for range 10 {
		p.read(now, buffer/30, false)
	}
	if p.read(now, buffer/30, true); p.rest != 0 {
		t.Errorf("much in small batches: rest of %v", p.rest)
	}
}

func TestAStreamThatEndsIsWaitedForSoon(t *testing.T) {
	p := newPace(4 << 20)
	now := time.Now()
	for range 3 {
		now = now.Add(time.Millisecond)
		p.read(now, 1232, true)
	}
	for looks := 0; p.rest > 0; looks++ {
		if looks > 2 {
			t.Fatal("still looks for more")
		}
		now = now.Add(p.rest)
		p.nothing(now)
	}
}
