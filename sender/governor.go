// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "time"

const (
	// queueTime is how long the datagrams in the queue of the interface may
	// take to leave. The queue is filled again when half of it is left.
	// The 3 ms that remain cover a late wake-up, and are below the 5 ms after
	// which fq_codel drops packets from a standing queue.
	queueTime = 6 * time.Millisecond
	// mostShare bounds the factor by which queueTime is raised where wake-ups
	// are so late that it is too short.
	mostShare = 2
	// firstWrite is how many datagrams are written before the speed of the queue
	// is known.
	firstWrite = 8
	// leastLook is the least time between two looks at the queue from which its
	// speed can be computed.
	leastLook = 200 * time.Microsecond
	// longestPause is the time after which to look at the queue again in any case.
	longestPause = 10 * time.Millisecond
)

// A governor says how many datagrams to write where nothing but the queue of the
// interface sets the pace. It keeps the queue short, to bound the delay, but
// never empty. Sizes are bytes of the kernel's memory, of which a datagram takes
// more than its length.
type governor struct {
	drain   float64 // bytes that leave in a second; 0: not known yet, the queue was always empty
	each    float64 // of a datagram
	share   float64 // of queueTime that is used: less where the queue drops, up to mostShare where wake-ups are late
	dropped uint64  // datagrams, in all, as last reported

	at      time.Time // of the last look after a write
	waiting int       // bytes in the queue at that time
}

func newGovernor(datagram int) governor { return governor{each: 2 * float64(datagram), share: 1} }

// room returns how many datagrams to write, with most as the limit, if waiting
// bytes are in the queue. If n is 0, pause is how long to wait.
func (g *governor) room(now time.Time, waiting, most int) (n int, pause time.Duration) {
	g.measure(now, waiting)
	switch {
	case g.at.IsZero():
		return min(most, firstWrite), 0
	case g.drain == 0 && waiting == 0:
		return most, 0
	case g.drain == 0:
		return 0, leastLook
	}
	limit := max(2*g.each, g.drain*queueTime.Seconds()*g.share)
	if over := float64(waiting) - limit/2; over > 0 && waiting > int(g.each) {
		pause = time.Duration(over / g.drain * float64(time.Second))
		return 0, min(max(pause, leastLook), longestPause)
	}
	return min(most, max(1, int((limit-float64(waiting))/g.each))), 0
}

// measure learns how fast the queue empties from what left it since the last write.
func (g *governor) measure(now time.Time, waiting int) {
	since := now.Sub(g.at)
	left := float64(g.waiting - waiting)
	if g.at.IsZero() || left <= 0 || since < leastLook && waiting > 0 {
		return
	}
	drain := left / since.Seconds()
	switch {
	case waiting == 0: // perhaps for a while
		g.drain = max(g.drain, drain)
		g.share = min(mostShare, g.share*9/8)
	case g.drain == 0:
		g.drain = drain
	default:
		g.drain += (drain - g.drain) / 4
	}
}

// wrote learns how much memory a datagram takes: n datagrams were just written,
// and before and after are the bytes in the queue.
func (g *governor) wrote(now time.Time, n, before, after int) {
	if each := float64(after-before) / float64(n); each > 0 && before > 0 {
		g.each += (each - g.each) / 8
	}
	g.at, g.waiting = now, after
}

// drops is called from time to time with the number of datagrams that the queue
// has dropped in all. Where it drops some, less is kept in it.
func (g *governor) drops(n uint64) {
	switch {
	case n > g.dropped:
		g.share = min(1, g.share) / 2
	case g.share > 1:
		g.share -= min(g.share-1, 1./64)
	default: // slowly, since the next ones are lost to all receivers
		g.share += min(1-g.share, 1./512)
	}
	g.dropped = n
}
