// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "time"

const (
	// queueTime is how long what waits in the queue of the interface may take to
	// leave. Half of it covers a late wake-up, and is short of the 5 ms that
	// fq_codel, which drops from queues that stand longer, gives them.
	queueTime = 6 * time.Millisecond
	// mostShare bounds by how much more the queue holds where that was too little.
	mostShare = 2
	// firstWrite is how many datagrams are written before anything is known.
	firstWrite = 8
	// leastLook is the time between two looks at the queue that tells how fast it
	// empties.
	leastLook = 200 * time.Microsecond
	// longestPause is the time after which to look again at any rate.
	longestPause = 10 * time.Millisecond
)

// A governor says how many datagrams to write where nothing but the queue of the
// interface sets the pace. It keeps so little in the queue that it never lasts
// long, and so much that it is never empty. Sizes are bytes of the kernel's
// memory, in which a datagram takes more than it has.
type governor struct {
	drain   float64 // bytes that leave in a second; 0: the queue never held any
	each    float64 // of a datagram
	share   float64 // of queueTime that is used: less where the queue drops, up to mostShare where wake-ups are late
	dropped uint64  // datagrams, by its last word

	at      time.Time // of the last look after a write
	waiting int       // then
}

func newGovernor(datagram int) governor { return governor{each: 2 * float64(datagram), share: 1} }

// room returns how many datagrams, at most most, to write now that so many bytes
// wait. If there are none, it says for how long to wait.
func (g *governor) room(now time.Time, waiting, most int) (n int, pause time.Duration) {
	g.look(now, waiting)
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

// look learns how fast the queue empties from what left it since the last write.
func (g *governor) look(now time.Time, waiting int) {
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

// wrote takes in that n datagrams were just written, before which so many bytes
// waited, and after which so many do.
func (g *governor) wrote(now time.Time, n, before, after int) {
	if each := float64(after-before) / float64(n); each > 0 && before > 0 {
		g.each += (each - g.each) / 8
	}
	g.at, g.waiting = now, after
}

// drops takes in how many datagrams the queue has dropped in all, some time after
// the last such news: where it drops some, less is kept in it.
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
