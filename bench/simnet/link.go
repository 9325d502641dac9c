// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"errors"
	"time"
)

// linkDomain separates the random numbers of a link, except its losses, from all
// others.
const linkDomain = "link\x00\x00\x00\x00"

// A LinkConfig describes one direction of a link. The zero LinkConfig delivers
// everything at once.
type LinkConfig struct {
	// Rate is the rate of the bottleneck at the beginning of the link, in bits
	// per second of the sizes that are given to Send. If zero, there is no
	// bottleneck.
	Rate int64

	// Queue is how many packets the bottleneck holds including the one that it is
	// sending; further packets are dropped. If zero, it holds any number.
	Queue int

	// Loss takes packets behind the bottleneck.
	Loss Loss

	// Delay is the least time on the way, and Jitter the most that may be added to
	// it, evenly distributed. Jitter alone does not change the order of packets: one
	// that would overtake another arrives together with it.
	Delay, Jitter time.Duration

	// Reorder is the share of packets that are held up on the way for HoldUp, while
	// others overtake them.
	Reorder Probability
	HoldUp  time.Duration

	// Duplicate is the share of packets of which a second copy arrives, with a
	// jitter of its own.
	Duplicate Probability
}

// A Link carries packets in virtual time, which is counted from the start of
// the simulation. It is not safe for concurrent use.
type Link struct {
	cfg       LinkConfig
	loss      *Stream
	source    *source // nil if nothing is drawn
	reorder   uint64  // threshold
	duplicate uint64  // threshold

	free     time.Duration   // when the bottleneck has sent all that it holds
	rest     int64           // by so many Rate-ths of a nanosecond it takes longer
	departed []time.Duration // when the last Queue packets leave the bottleneck
	oldest   int             // of departed

	last     time.Duration // arrival of a packet that was not held up
	arrivals [2]time.Duration
}

// NewLink returns the link of a key. Its losses are those of cfg.Loss.Stream(key)
// whatever else cfg says. It fails if a number in cfg is negative or a
// probability above Certain.
func NewLink(cfg LinkConfig, key Key) (*Link, error) {
	if min(cfg.Rate, int64(cfg.Queue), int64(cfg.Delay), int64(cfg.Jitter), int64(cfg.HoldUp)) < 0 {
		return nil, errors.New("simnet: a link has no negative rate, queue, delay, jitter or hold-up")
	}
	if max(cfg.Reorder, cfg.Duplicate) > Certain {
		return nil, errors.New("simnet: a link cannot reorder or duplicate more than 100%")
	}
	l := &Link{
		cfg:       cfg,
		loss:      cfg.Loss.Stream(key),
		reorder:   cfg.Reorder.threshold(),
		duplicate: cfg.Duplicate.threshold(),
	}
	if cfg.Jitter > 0 || cfg.Reorder > 0 || cfg.Duplicate > 0 {
		l.source = newSource(key, linkDomain)
	}
	if cfg.Rate > 0 {
		l.departed = make([]time.Duration, cfg.Queue)
	}
	return l, nil
}

// Send puts a packet of size bytes on the link and returns when it arrives: no
// time if it is lost, two if it is duplicated, not always the earlier one first.
// The slice is valid until the next call. Times must not go backwards from call
// to call.
func (l *Link) Send(now time.Duration, size int) []time.Duration {
	// All is drawn for every packet, so that no part of a link shifts another.
	lost := l.loss.Lost()
	var jitter [2]time.Duration
	var reorder, duplicate bool
	if l.source != nil {
		reorder, duplicate = l.source.yes(l.reorder), l.source.yes(l.duplicate)
		for i := range jitter {
			jitter[i] = time.Duration(l.source.below(uint64(l.cfg.Jitter) + 1))
		}
	}
	departure, ok := l.transmit(now, size)
	if !ok || lost {
		return nil
	}
	on := departure + l.cfg.Delay
	arrivals := append(l.arrivals[:0], l.inOrder(on+jitter[0]))
	if reorder {
		arrivals[0] += l.cfg.HoldUp
	}
	if duplicate {
		arrivals = append(arrivals, l.inOrder(on+jitter[1]))
	}
	return arrivals
}

// inOrder returns when a packet arrives that would arrive at a time if it were
// alone on the way.
func (l *Link) inOrder(at time.Duration) time.Duration {
	l.last = max(l.last, at)
	return l.last
}

// transmit returns when the bottleneck has sent a packet. It is not ok if the
// queue is full.
func (l *Link) transmit(now time.Duration, size int) (departure time.Duration, ok bool) {
	if l.cfg.Rate == 0 {
		return now, true
	}
	if l.cfg.Queue > 0 && l.departed[l.oldest] > now {
		return 0, false
	}
	if l.free < now {
		l.free, l.rest = now, 0
	}
	work := int64(size)*8*int64(time.Second) + l.rest
	l.free += time.Duration(work / l.cfg.Rate)
	l.rest = work % l.cfg.Rate
	if l.cfg.Queue > 0 {
		l.departed[l.oldest] = l.free
		l.oldest = (l.oldest + 1) % l.cfg.Queue
	}
	return l.free, true
}
