// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"iotupd/proto"
)

// A Conn receives datagrams: a socket, or a substitute for one.
type Conn interface {
	// NewBatch returns a batch that reads from this Conn.
	NewBatch() Batch
	// Close makes every Read of a batch return net.ErrClosed.
	Close() error
}

// A Batch holds datagrams that arrived together.
type Batch interface {
	// Read waits for datagrams and replaces the batch by them.
	Read() error
	// Len returns the number of datagrams.
	Len() int
	// Datagram returns one of them, valid until the next Read.
	Datagram(i int) ([]byte, Origin)
}

// A Poller is a [Batch] that [Run] may fill by its own timer, so that no
// goroutine has to be woken for each of the datagrams that come one after the
// other.
type Poller interface {
	Batch
	// Pause returns how long after a Read or Poll to call Poll. Zero: call Read,
	// since more datagrams may have arrived already, or none is expected soon.
	Pause() time.Duration
	// Poll is a Read that does not wait. The batch is empty if nothing has arrived.
	Poll() error
}

// reportEvery is the least time between two calls of RunOptions.Report.
const reportEvery = 200 * time.Millisecond

// RunOptions are the inputs of [Run] beside a [Receiver] and its sockets.
type RunOptions struct {
	// Report, if not nil, is called once at the beginning, several times a second
	// while datagrams arrive or jobs end, and at the end. While nothing happens it
	// is not called, so that an idle receiver does not wake the processor. An error
	// ends the transfer.
	Report func(now time.Time, s Status) error

	// Lost, if not nil, says for every datagram whether to treat it as lost.
	Lost func() bool

	// Heard, if not nil, is called after every batch with the undamaged packets
	// of the chosen object that were in it, without packets of streams that are
	// not measured: see [Streams]. It must not block, and must not keep the
	// packets.
	Heard func(now time.Time, packets []Heard)

	// Layers, if not nil, decides how many layers to receive, at first layer 0. It
	// is asked after every batch.
	Layers LayerPolicy

	// LevelChanged, if not nil, is called when Layers has decided for another
	// level. It must not block.
	LevelChanged func(now time.Time, level int)

	// Join, if not nil, is called after LevelChanged to listen to layers 0 to level
	// and to no others; -1 means none. It may block: it runs on a goroutine of its
	// own, one call at a time, and a level that is out of date before its turn is
	// skipped.
	Join func(level int)

	// Ping, if not nil, is read by the goroutine that owns the receiver,
	// whenever it waits. A caller whose send succeeds knows that this goroutine
	// is alive.
	Ping <-chan struct{}
}

// A LayerPolicy decides how many layers to receive: package layers has one. It
// listens to [Receiver.Streams].
type LayerPolicy interface {
	// Hear takes the packets of a batch, which arrived at now.
	Hear(now time.Time, packets []Heard)
	// Tick does what is due at now, Wake says when that is; the zero time: never.
	Tick(now time.Time)
	Wake() time.Time
	// Level returns the highest layer to receive, -1 for none.
	Level() int
}

// A Status is a snapshot of a running transfer.
type Status struct {
	Progress
	Datagrams uint64                  // taken from the sockets
	Dropped   uint64                  // of Datagrams, by RunOptions.Lost
	Ignored   map[proto.Reason]uint64 // valid during the call of Report only

	Listing bool // see [Receiver.Listing]

	// With [TakeAll]: the sums over all objects, and the progress of a few that
	// are being received.
	Totals  Totals
	Objects []Progress
}

// reportObjects is how many objects a Status lists.
const reportObjects = 8

// Run feeds r from conns until it is done, and does its jobs on goroutines of its
// own. Before it returns, it closes conns and waits for its goroutines. The
// result is nil if the object is complete and verified.
func Run(ctx context.Context, r *Receiver, conns []Conn, opts RunOptions) error {
	s := shell{
		r:       r,
		opts:    opts,
		full:    make(chan read, queueDepth*len(conns)),
		stop:    make(chan struct{}),
		jobs:    make(chan *Job),
		ignored: make(map[proto.Reason]uint64),
	}
	if opts.Heard != nil || opts.Layers != nil {
		r.Streams().Keep()
	}
	if opts.Join != nil {
		s.levels = make(chan int, 1)
		s.joins.Go(s.join)
	}
	for _, c := range conns {
		s.readers.Go(func() { s.readFrom(c) })
	}
	err := s.loop(ctx)
	r.Abort()
	close(s.stop)
	s.stopJoining() // before the sockets are closed, which Join uses
	for _, c := range conns {
		c.Close()
	}
	s.readers.Wait()
	for ; s.running > 0; s.running-- {
		<-s.jobs
	}
	return err
}

// A shell is one call of Run. Its loop goroutine owns the receiver.
type shell struct {
	r    *Receiver
	opts RunOptions

	full    chan read
	polled  []poll
	current read // whose datagrams from number next on are not handled yet; no batch: none
	next    int
	stop    chan struct{} // closed: readers give up
	readers sync.WaitGroup

	jobs    chan *Job // come back here
	running int

	report   *time.Timer // of the next report
	reported bool        // nothing has happened since the last report: report is stopped

	level  int // as Layers decided
	joined int // level of the last call of Join
	leave  leaving
	levels chan int // next level for Join, at most one; nil: there is no Join
	joins  sync.WaitGroup

	datagrams, dropped uint64
	ignored            map[proto.Reason]uint64
}

func (s *shell) loop(ctx context.Context) error {
	s.report = time.NewTimer(reportEvery)
	defer s.report.Stop()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for !s.r.Done() {
		for j := s.r.NextJob(); j != nil; j = s.r.NextJob() {
			s.running++
			go func() { j.Run(); s.jobs <- j }()
		}
		now := time.Now()
		s.follow(now)
		if at := s.wake(); !at.IsZero() {
			wake.Reset(at.Sub(now))
		}
		full := s.full
		if s.current.batch != nil {
			full = nil
		}
		select {
		case rd := <-full:
			if rd.err != nil {
				return readError(rd.err)
			}
			s.handle(time.Now(), rd)
		case j := <-s.jobs:
			s.running--
			now := time.Now()
			s.r.Finish(now, j)
			s.goOn(now)
			s.reportSoon()
		case now := <-wake.C:
			s.tick(now)
			if err := s.pollDue(time.Now()); err != nil {
				return err
			}
		case now := <-s.report.C:
			s.reported = true
			if err := s.reportNow(now); err != nil {
				return err
			}
		case <-s.opts.Ping:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := s.reportNow(time.Now()); err != nil && s.r.Err() == nil {
		return err
	}
	return s.r.Err()
}

// release keeps a batch that wants to be polled, and returns others to their
// readers.
func (s *shell) release(rd read) {
	if pause := pauseOf(rd.batch); pause > 0 {
		s.polled = append(s.polled, poll{rd, time.Now().Add(pause)})
		return
	}
	rd.back <- rd.batch
}

// pollDue reads the batches whose time has come.
func (s *shell) pollDue(now time.Time) error {
	due := s.polled
	s.polled = s.polled[:0] // release appends only over entries that the loop has read
	for _, p := range due {
		if now.Before(p.at) || s.current.batch != nil {
			s.polled = append(s.polled, p)
			continue
		}
		if err := p.batch.(Poller).Poll(); err != nil {
			return readError(err)
		}
		s.handle(now, p.read)
	}
	return nil
}

func readError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errors.New("receiver: socket closed during the transfer")
	}
	return err
}

// handle gives the datagrams of a batch to the receiver.
func (s *shell) handle(now time.Time, rd read) {
	s.current, s.next = rd, 0
	s.goOn(now)
}

// goOn handles the rest of the current batch. While the receiver is busy it
// waits, and nothing else is read: the kernel's buffers take incoming datagrams,
// and count those that do not fit.
func (s *shell) goOn(now time.Time) {
	b := s.current.batch
	if b == nil {
		return
	}
	for ; s.next < b.Len(); s.next++ {
		if s.r.Busy() {
			return
		}
		s.datagrams++
		if s.opts.Lost != nil && s.opts.Lost() {
			s.dropped++
			continue
		}
		datagram, from := b.Datagram(s.next)
		if err := s.r.Handle(now, from, datagram); err != nil {
			s.ignored[err.(proto.Reason)]++
		}
	}
	if packets := s.r.Streams().Take(); len(packets) > 0 {
		s.passOn(now, packets)
	}
	if b.Len() > 0 {
		s.reportSoon()
	}
	rd := s.current
	s.current = read{}
	s.release(rd)
}

// passOn gives the packets of a batch to the policy of layers and to
// RunOptions.Heard.
func (s *shell) passOn(now time.Time, packets []Heard) {
	if s.opts.Heard != nil {
		s.opts.Heard(now, packets)
	}
	if s.opts.Layers != nil {
		s.opts.Layers.Hear(now, packets)
	}
}

// wake returns when to call tick and pollDue; the zero time: never.
func (s *shell) wake() time.Time {
	at := earlier(s.r.Wake(), s.leave.at)
	if s.opts.Layers != nil {
		at = earlier(at, s.opts.Layers.Wake())
	}
	if s.current.batch != nil {
		return at
	}
	for i := range s.polled {
		at = earlier(at, s.polled[i].at)
	}
	return at
}

// earlier returns the earlier time; the zero time stands for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (s *shell) tick(now time.Time) {
	s.r.Tick(now)
	if s.opts.Layers != nil {
		s.opts.Layers.Tick(now)
	}
}

// follow starts to join another level if the policy has decided so, and to leave
// all multicast groups while no packets are needed.
func (s *shell) follow(now time.Time) {
	if s.opts.Layers != nil && s.opts.Layers.Level() != s.level {
		s.level = s.opts.Layers.Level()
		if s.opts.LevelChanged != nil {
			s.opts.LevelChanged(now, s.level)
		}
	}
	level := s.level
	if s.leave.due(now, s.r.Wants()) {
		level = -1
	}
	if level != s.joined && s.levels != nil {
		s.joined = level
		s.skipLevel()
		s.levels <- level // there is room: nobody else sends
	}
}

// A leaving says when to leave all multicast groups because nothing is missing:
// the first time at once, and later after a delay that doubles every time, up
// to 64 s. So forged shards, which are found when a group is decoded, do not
// make the receiver leave and join all the time.
type leaving struct {
	times int       // how often the multicast groups were left
	left  bool      // they are left now
	at    time.Time // when to leave them; zero: not yet
}

// due reports whether the multicast groups should be left at now, given whether
// the receiver wants packets.
func (l *leaving) due(now time.Time, wants bool) bool {
	switch {
	case wants:
		l.left, l.at = false, time.Time{}
	case l.left:
	case l.at.IsZero() && l.times > 0:
		l.at = now.Add(time.Second << min(l.times-1, 6))
	case !now.Before(l.at):
		l.left, l.at = true, time.Time{}
		l.times++
	}
	return l.left
}

// skipLevel takes back a level whose turn has not come.
func (s *shell) skipLevel() {
	select {
	case <-s.levels:
	default:
	}
}

// join calls Join until there are no more levels.
func (s *shell) join() {
	for level := range s.levels {
		s.opts.Join(level)
	}
}

func (s *shell) stopJoining() {
	if s.levels != nil {
		s.skipLevel()
		close(s.levels)
		s.joins.Wait()
	}
}

// reportSoon starts the timer of the next report unless it is running.
func (s *shell) reportSoon() {
	if s.reported {
		s.reported = false
		s.report.Reset(reportEvery)
	}
}

func (s *shell) reportNow(now time.Time) error {
	if s.opts.Report == nil {
		return nil
	}
	status := Status{
		Progress:  s.r.Progress(),
		Datagrams: s.datagrams,
		Dropped:   s.dropped,
		Ignored:   s.ignored,
		Listing:   s.r.Listing(),
	}
	if s.r.cfg.Take == TakeAll {
		status.Totals, status.Objects = s.r.Totals(), s.r.Objects(reportObjects)
	}
	return s.opts.Report(now, status)
}
