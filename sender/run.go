// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// A Conn sends datagrams: a socket, or a substitute for one.
type Conn interface {
	// WriteSegments sends b as datagrams of segment bytes, end to end. It
	// waits until all are sent, and does not keep b.
	WriteSegments(b []byte, segment int) error
}

// A Queue is a Conn that reports what became of the datagrams that were written.
// It sets the pace of a sender without a rate.
type Queue interface {
	// Waiting returns how many bytes of the system's memory the datagrams take
	// that have not left yet; negative if it is not known.
	Waiting() int
	// Dropped returns how many datagrams the system has dropped, of all programs.
	Dropped() uint64
	// Waited returns for how long writes have waited for room, in all.
	Waited() time.Duration
}

const (
	// maxBatch is the number of datagrams given to a Conn at a time. More gains
	// nothing.
	maxBatch = 64
	// retryAfter is the pause after a network failure.
	retryAfter = reportEvery
	// reportEvery is the time between two calls of RunOptions.Report.
	reportEvery = 200 * time.Millisecond
	// shortWait is the longest wait for which RunOptions.Sleep is used alone. A
	// longer wait uses a timer first. That takes two wake-ups and twice the
	// processor time, so that shortWait is not shorter.
	shortWait = gatherMost
)

// ByeTime is how long a stopped sender goes on for its last packets.
const ByeTime = time.Second

// RunOptions are the inputs of [Run] beside a [Sender] and its socket.
type RunOptions struct {
	// Upper are where the datagrams of layers 1 and up leave, one for each.
	Upper []Conn

	// Sleep waits for a short time, more exactly than the runtime's timers
	// do. If nil, time.Sleep is used.
	Sleep func(time.Duration)

	// Report, if not nil, is called several times a second and at the end. An
	// error ends the transfer.
	Report func(now time.Time, p Progress) error

	// Listened, if not nil, says whether anybody listens: the sender is paused
	// until it says true, and again when it says false.
	Listened <-chan bool

	// Drop, if not nil, has numbers of objects that are not to be sent any more.
	Drop <-chan int

	// Failed, if not nil, is called when one of several objects cannot be read. That one
	// is not sent any more. If it is nil, or no object is left, Run ends with the error.
	Failed func(object int, err error)

	// Log gets network failures that do not end the sender. If nil, they are not
	// logged.
	Log *slog.Logger
}

// Run sends until s is done, or until ctx ends and the end was announced to
// receivers. The datagrams of layer 0 leave by conn, the datagrams of other
// layers by opts.Upper. A network that never worked is an error; one that stops
// working is retried without end, since there may be receivers again when it is
// back. Goroutines read ahead; they have ended when Run returns.
func Run(ctx context.Context, s *Sender, conn Conn, opts RunOptions) error {
	if len(opts.Upper) != s.Layers()-1 {
		return fmt.Errorf("sender: %d layers need %d sockets beside the first, not %d", s.Layers(), s.Layers()-1, len(opts.Upper))
	}
	if opts.Sleep == nil {
		opts.Sleep = time.Sleep
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Listened != nil {
		s.Pause()
	}
	l := shell{s: s, conns: append([]Conn{conn}, opts.Upper...), opts: opts, batches: make([][]byte, s.Layers())}
	l.timer = time.NewTimer(reportEvery)
	defer l.timer.Stop()
	s.pace.gather()
	l.most = min(maxBatch, burstPackets(s.packetBytes()))
	for i := range l.batches {
		l.batches[i] = make([]byte, 0, l.most*s.DatagramLen())
	}
	l.findQueues()
	defer s.readAhead()()
	return l.loop(ctx)
}

// findQueues finds out what the sockets say of their queues.
func (l *shell) findQueues() {
	for _, c := range l.conns {
		q, ok := c.(Queue)
		if !ok {
			l.queues = nil
			return
		}
		l.queues = append(l.queues, q)
	}
	l.govern = l.s.cfg.Rate < 0 && len(l.queues) == 1 && l.queues[0].Waiting() >= 0
	l.queue = newGovernor(l.s.DatagramLen())
	if l.govern {
		l.queue.dropped = l.queues[0].Dropped()
	}
}

// A shell is one call of Run.
type shell struct {
	s       *Sender
	conns   []Conn // of the layers
	opts    RunOptions
	batches [][]byte // for the layers
	most    int      // datagrams in all of them

	timer    *time.Timer
	worked   bool // something was sent
	down     bool // the last attempt failed
	reported time.Time

	queues []Queue       // conns, if all of them are queues; else nil
	govern bool          // nothing but the queue sets the pace
	queue  governor      //
	hold   time.Duration // until there is room in the queue

	spent    spent // since the last count
	counted  time.Time
	counts   uint64 // packets sent at that time
	waited   time.Duration
	boundNow Bound
}

func (l *shell) loop(ctx context.Context) error {
	var deadline time.Time // of a stopped sender
	for !l.s.Done() {
		l.heed()
		now := time.Now()
		if ctx.Err() != nil && deadline.IsZero() {
			l.s.Stop()
			deadline = now.Add(ByeTime)
		}
		if !deadline.IsZero() && now.After(deadline) {
			break
		}
		if err := l.report(now); err != nil {
			return err
		}
		if err := l.send(ctx, now); err != nil {
			return err
		}
		if l.s.starved() && !l.s.paused && !l.s.Done() {
			l.starve(ctx)
		} else {
			l.wait(ctx, l.idle())
		}
	}
	if l.opts.Report != nil {
		return l.opts.Report(time.Now(), l.progress())
	}
	return nil
}

// send sends what is due now.
func (l *shell) send(ctx context.Context, now time.Time) error {
	most, before := l.most, 0
	if l.down {
		most = 1 // packets that fail are lost to this loop
	}
	if l.govern {
		before = l.queues[0].Waiting()
		if most, l.hold = l.queue.room(now, before, most); most == 0 {
			return nil
		}
	}
	for i := range l.batches {
		l.batches[i] = l.batches[i][:0]
	}
	readErr := l.s.AppendLayers(l.batches, now, most)
	err := l.write(ctx)
	if n := len(l.batches[0]) / l.s.DatagramLen(); l.govern && n > 0 {
		l.queue.wrote(time.Now(), n, before, l.queues[0].Waiting())
	}
	if err != nil {
		return err
	}
	return l.failed(readErr)
}

// write writes the batches. It returns an error only if the network never worked.
func (l *shell) write(ctx context.Context) error {
	for i, b := range l.batches {
		if len(b) == 0 {
			continue
		}
		err := l.conns[i].WriteSegments(b, l.s.DatagramLen())
		if err != nil && !l.worked {
			return err
		}
		l.logNetwork(err)
		if err != nil {
			l.wait(ctx, retryAfter)
			break
		}
	}
	return nil
}

// logNetwork logs when the network fails and when it works again.
func (l *shell) logNetwork(err error) {
	switch {
	case err != nil && !l.down:
		l.opts.Log.Warn("sending failed, trying again", "error", err)
	case err == nil && l.down:
		l.opts.Log.Warn("sending works again")
	}
	l.down = err != nil
	l.worked = l.worked || err == nil
}

func (l *shell) report(now time.Time) error {
	if now.Sub(l.reported) < reportEvery {
		return nil
	}
	l.reported = now
	l.count(now)
	if l.opts.Report == nil {
		return nil
	}
	return l.opts.Report(now, l.progress())
}

func (l *shell) progress() Progress {
	p := l.s.Progress()
	p.Bound = l.boundNow
	return p
}

// count computes, once in a boundWindow, how fast sending was and what limited it.
func (l *shell) count(now time.Time) {
	if l.govern {
		l.queue.drops(l.queues[0].Dropped())
	}
	if l.s.paused || l.down || l.counted.IsZero() {
		l.restart(now) // a window must not include time without sending
		return
	}
	l.spent.all = now.Sub(l.counted)
	if l.spent.all < boundWindow {
		return
	}
	l.spent.packets = l.s.packets - l.counts
	l.spent.link += l.waits() - l.waited
	l.s.stateRate(float64(l.spent.packets) * float64(8*l.s.packetBytes()) / l.spent.all.Seconds())
	l.boundNow = ByRate
	if !l.s.turn().empty() {
		l.boundNow = l.spent.bound(l.s.pace.interval)
	}
	l.restart(now)
}

// restart starts another window.
func (l *shell) restart(now time.Time) {
	l.spent, l.counted, l.counts, l.waited = spent{}, now, l.s.packets, l.waits()
}

// waits is how long all sockets have waited.
func (l *shell) waits() (d time.Duration) {
	for _, q := range l.queues {
		d += q.Waited()
	}
	return d
}

// idle returns the time until something is due. While the sender is paused, it
// returns reportEvery.
func (l *shell) idle() time.Duration {
	if l.s.paused && !l.s.Done() {
		return reportEvery
	}
	if l.hold > 0 {
		l.spent.link += l.hold
		return l.hold
	}
	return time.Until(l.s.Wake())
}

// heed pauses or resumes the sender if there is news whether anybody listens.
func (l *shell) heed() {
	for {
		select {
		case listened := <-l.opts.Listened:
			l.listened(listened)
		case object := <-l.opts.Drop:
			l.s.Drop(object)
		default:
			return
		}
	}
}

// failed drops the object that could not be read, if there are others.
func (l *shell) failed(err error) error {
	if err == nil || l.opts.Failed == nil {
		return err
	}
	object, stale := l.s.listedAs(l.s.decided.number), l.s.stale
	if !l.s.Drop(object) {
		return err
	}
	l.s.stale = stale // the read-ahead has left it out
	l.opts.Failed(object, err)
	return nil
}

func (l *shell) listened(listened bool) {
	if listened {
		l.s.Resume(time.Now())
	} else {
		l.s.Pause()
	}
}

// starve waits for the read-ahead, or less if ctx ends or a report is due.
func (l *shell) starve(ctx context.Context) {
	begun := time.Now()
	l.timer.Reset(reportEvery)
	defer l.timer.Stop()
	done := ctx.Done()
	if ctx.Err() != nil {
		done = nil // known already
	}
	l.s.track().ahead.(*ahead).wait(done, l.timer)
	l.spent.source += time.Since(begun)
}

// wait waits for d, or less if ctx ends, a report is due, or there is news of
// listeners.
func (l *shell) wait(ctx context.Context, d time.Duration) {
	if d > reportEvery {
		d = reportEvery
	}
	if d > shortWait && ctx.Err() == nil {
		l.timer.Reset(d - shortWait)
		defer l.timer.Stop()
		begun := time.Now()
		select {
		case <-l.timer.C: // the rest is waited for next time
			l.spent.slept += time.Since(begun)
		case <-ctx.Done():
		case listened := <-l.opts.Listened:
			l.listened(listened)
		}
		return
	}
	if d > 0 {
		l.opts.Sleep(d)
		if l.hold == 0 {
			l.spent.slept += d
		}
	}
}
