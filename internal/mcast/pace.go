// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import "time"

// A pace says when to read a socket again. On small devices it costs more to wake up
// than to receive a datagram. So while datagrams come one after the other, they are
// left in the kernel's buffer for a moment, and several are read at once. One that
// comes alone never waits.
type pace struct {
	buffer int           // bytes of the kernel's buffer
	pause  time.Duration // the longest that a datagram is left there; zero: never
	last   time.Time     // when something was read
	taken  int           // bytes read since the buffer was last empty
	rest   time.Duration // until the next read; zero: at once
	many   bool          // bytes were read last, more than few
}

const (
	// longestPause is what a datagram may be late by. It is a little less than whole
	// milliseconds, which is what the runtime waits for, rounded up: at whole ones,
	// its monitor wakes up at the same time, and then every 20 µs for a while.
	longestPause  = 2*time.Millisecond - short
	shortestPause = 1*time.Millisecond - short
	short         = 100 * time.Microsecond

	// charge is how many bytes of its buffer the kernel counts for a byte received,
	// about, and flood what a buffer must stand during a pause: 1 Gbit/s.
	charge = 2
	flood  = charge * 125 // bytes in a microsecond

	// few bytes in a pause, at some 130 Mbit/s, are not worth a goroutine that reads
	// beside the one that uses them.
	few = 32 << 10
)

// newPace returns the pace of a socket with such a buffer: two thirds of it must
// hold what may come in a pause.
func newPace(buffer int) pace {
	p := pace{buffer: buffer}
	switch stands := time.Duration(buffer*2/3/flood) * time.Microsecond; {
	case stands >= longestPause:
		p.pause = longestPause
	case stands >= shortestPause:
		p.pause = shortestPause
	}
	return p
}

// read notes that so many bytes were read, and whether that was all there was.
func (p *pace) read(now time.Time, bytes int, all bool) {
	p.rest = 0
	p.taken += bytes
	if !all {
		return
	}
	if p.dense(now) && charge*p.taken <= p.buffer/2 {
		p.rest = p.pause
	}
	p.last, p.taken, p.many = now, 0, p.taken > few
}

// shared returns the rest for who both reads and uses what was read: zero if two
// goroutines should.
func (p *pace) shared() time.Duration {
	if p.many {
		return 0
	}
	return p.rest
}

// nothing notes that there was nothing to read.
func (p *pace) nothing(now time.Time) {
	p.rest, p.taken, p.many = 0, 0, false
	if p.dense(now) {
		p.rest = p.pause
	}
}

// dense reports whether the last datagram is not much longer ago than a pause.
func (p *pace) dense(now time.Time) bool { return now.Sub(p.last) < p.pause*3/2 }
