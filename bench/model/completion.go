// SPDX-License-Identifier: GPL-2.0-or-later

package model

import (
	"errors"
	"fmt"
	"math"
)

// Limits of what can be asked.
const (
	MaxLoss         = 0.99
	MaxShards int64 = 1 << 32 // of a file
)

// ErrScheme is wrapped by every error of [New].
var ErrScheme = errors.New("model: cannot compute this")

// A Scheme is a way to send a file over and over: [Groups], [Repeat],
// [Fountain] or [RaptorQ].
type Scheme interface {
	validate() error

	// shards is the number of packets that a receiver needs at least.
	shards() int64

	curve(loss float64) curve
}

// A curve is the progress of one receiver.
type curve struct {
	// unfinished is the probability that the receiver is not done after so
	// many packets were sent. It does not rise.
	unfinished func(packets int64) float64

	// loop is the number of packets after which all begins again.
	loop int64
}

// A Completion is the distribution of the number of packets that are sent from
// when a receiver joins to when it, or the slowest of several, has the file: the
// packet that completes it counts, and so do lost ones. Make one with [New]. It
// is not safe for concurrent use, nor together with others that
// [Completion.Slowest] made of it.
type Completion struct {
	curve
	shards    int64
	loss      float64
	receivers int64
}

// New returns the distribution for a receiver that loses every packet with
// probability loss, 0 to [MaxLoss].
func New(s Scheme, loss float64) (*Completion, error) {
	if !(loss >= 0 && loss <= MaxLoss) {
		return nil, fmt.Errorf("%w: loss of %g is not between 0 and %g", ErrScheme, loss, MaxLoss)
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Completion{curve: s.curve(loss), shards: s.shards(), loss: loss, receivers: 1}, nil
}

// Slowest returns the distribution for the slowest of n such receivers, whose
// losses are independent: 1 to 10^15 receivers in all.
func (c *Completion) Slowest(n int64) *Completion {
	slowest := *c
	slowest.receivers = c.receivers * max(n, 1)
	return &slowest
}

// Unfinished returns the probability that after so many packets a receiver is
// not done. It is accurate where it is small.
func (c *Completion) Unfinished(packets int64) float64 {
	return anyOf(c.unfinished(packets), c.receivers)
}

// Quantile returns the smallest number of packets after which the receivers are
// done with probability q, 0 to 1. Quantile(1) only says when the rest becomes
// too improbable for floating point.
func (c *Completion) Quantile(q float64) int64 { return c.first(max(0, 1-q)) }

// first returns the smallest number of packets after which the probability of
// being unfinished is at most p.
func (c *Completion) first(p float64) int64 {
	low, high := int64(-1), c.shards
	for c.Unfinished(high) > p {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; c.Unfinished(mid) > p {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// Mean returns the expected number of packets, to 1 part in 100,000 or half a
// packet.
//
// It is the sum of Unfinished over all numbers of packets. That is 1 at first
// and 0 in the end. Between the two it is taken at some places and as straight
// from one to the next, and at more of them where it bends.
func (c *Completion) Mean() float64 {
	const (
		nothing   = 1e-12
		places    = 64 // at least
		precision = 1e-5
	)
	begin, end := c.first(1-nothing), c.first(nothing)
	step := max(1, (end-begin)/places)
	tolerance := precision * float64(end) / float64(max(1, end-begin))
	sum := float64(begin)
	for here := c.place(begin); here.packets < end; {
		nextLoop := (here.packets/c.loop + 1) * c.loop // it bends there
		there := c.place(min(here.packets+step, nextLoop, end))
		sum += c.sum(here, there, tolerance)
		here = there
	}
	return sum
}

// A place is a point of the curve.
type place struct {
	packets    int64
	unfinished float64
}

func (c *Completion) place(packets int64) place { return place{packets, c.Unfinished(packets)} }

// sum adds up Unfinished from a to before b. It takes it as straight if halfway
// it is off by no more than tolerance.
func (c *Completion) sum(a, b place, tolerance float64) float64 {
	if b.packets-a.packets < 2 {
		return straight(a, b)
	}
	mid := c.place(a.packets + (b.packets-a.packets)/2)
	part := float64(mid.packets-a.packets) / float64(b.packets-a.packets)
	line := a.unfinished + float64(part*(b.unfinished-a.unfinished))
	if math.Abs(mid.unfinished-line) <= tolerance {
		return straight(a, mid) + straight(mid, b)
	}
	return c.sum(a, mid, tolerance) + c.sum(mid, b, tolerance)
}

// straight adds up the points of a straight line from a to before b.
func straight(a, b place) float64 {
	n := float64(b.packets - a.packets)
	return float64(n*a.unfinished) + float64((n-1)/2*(b.unfinished-a.unfinished))
}

// Inefficiency returns a number of packets in units of the least that any
// scheme needs on average, K/(1-p): 1 is an ideal fountain code.
func (c *Completion) Inefficiency(packets float64) float64 {
	return packets * (1 - c.loss) / float64(c.shards)
}
