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

// A Conn is a socket, or something like it, that datagrams arrive on.
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

// A Poller is a [Batch] that [Run] may look into by its own clock, so that no
// goroutine has to be woken for each of the datagrams that come one after the other.
type Poller interface {
	Batch
	// Pause returns when to call Poll, after a Read or Poll: so long from then. Zero:
	// call Read, since there may be more already, or nothing will come soon.
	Pause() time.Duration
	// Poll is a Read that does not wait. The batch is empty if nothing has arrived.
	Poll() error
}

// queueDepth is the most batches between a reader and the loop. When all are in
// use the reader waits, and the kernel's buffer takes over, whose overflow is
// counted there. A batch is large, and is made only when none is idle.
const queueDepth = 4

// reportEvery is the least time between two calls of RunOptions.Report.
const reportEvery = 200 * time.Millisecond

// RunOptions are what [Run] needs beside a core and its sockets.
type RunOptions struct {
	// Report, if not nil, is called once at the beginning, several times a second
	// while datagrams arrive or jobs end, and at the end. While nothing happens it
	// is not called, so that an idle receiver does not wake the processor. An error
	// ends the transfer.
	Report func(now time.Time, s Status) error

	// Lost, if not nil, says for every datagram whether it shall be treated as
	// lost on the way.
	Lost func() bool

	// Heard, if not nil, is called after every batch with the undamaged packets of
	// the chosen object that were in it, but for streams that are not measured: see
	// [Streams]. It must not block, nor keep them.
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
	Dropped   uint64                  // of these, by RunOptions.Lost
	Ignored   map[proto.Reason]uint64 // valid during the call of Report only
}

// Run feeds r from conns until it is done, and does its jobs on goroutines of
// its own. It closes conns and waits for all it started before it returns: nil
// if the object is complete and verified.
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
	stop    chan struct{} // closed: readers give up
	readers sync.WaitGroup

	jobs    chan *Job // come back here
	running int

	report   *time.Timer // of the next report
	reported bool        // nothing has happened since the last report: report is stopped

	level  int      // that Layers has decided for
	levels chan int // that Join is to be called for next, at most one; nil: there is no Join
	joins  sync.WaitGroup

	datagrams, dropped uint64
	ignored            map[proto.Reason]uint64
}

// A read is what a reader hands to the loop: a filled batch, and where it goes
// when it is empty again; or the reader's error.
type read struct {
	batch Batch
	back  chan Batch
	err   error
}

// A reader reads from a Conn.
type reader struct {
	conn Conn
	back chan Batch // from the loop; there is room for every batch
	idle []Batch
	made int
	stop chan struct{}
}

// readFrom keeps batches of c moving to the loop until c is closed. A batch that
// the loop may poll is waited for, so that one of both reads at a time.
func (s *shell) readFrom(c Conn) {
	r := reader{conn: c, back: make(chan Batch, queueDepth), stop: s.stop}
	for {
		b := r.empty()
		if b == nil {
			return
		}
		err := b.Read()
		alone := pauseOf(b) > 0
		s.full <- read{batch: b, back: r.back, err: err}
		if err != nil || alone && !r.await(b) {
			return
		}
	}
}

// empty returns a batch to read into; nil when it is time to stop. As many are made
// as the loop was ever behind, since each holds buffers.
func (r *reader) empty() Batch {
	for {
		select {
		case b := <-r.back:
			r.idle = append(r.idle, b)
			continue
		case <-r.stop:
			return nil
		default:
		}
		if last := len(r.idle) - 1; last >= 0 {
			b := r.idle[last]
			r.idle = r.idle[:last]
			return b
		}
		if r.made < queueDepth {
			r.made++
			return r.conn.NewBatch()
		}
		if !r.await(nil) {
			return nil
		}
	}
}

// await waits until b, or any batch if b is nil, is back. It reports false when it
// is time to stop.
func (r *reader) await(b Batch) bool {
	for {
		select {
		case got := <-r.back:
			r.idle = append(r.idle, got)
			if b == nil || got == b {
				return true
			}
		case <-r.stop:
			return false
		}
	}
}

// pauseOf returns how long from now b wants to be polled; zero: it does not.
func pauseOf(b Batch) time.Duration {
	if p, ok := b.(Poller); ok {
		return p.Pause()
	}
	return 0
}

// A poll is a batch that the loop keeps, to look for more datagrams at a time.
type poll struct {
	read
	at time.Time
}

// release keeps a batch that wants to be polled, and gives others back.
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
	s.polled = s.polled[:0] // release appends what has been read before
	for _, p := range due {
		if now.Before(p.at) {
			s.polled = append(s.polled, p)
			continue
		}
		if err := p.batch.(Poller).Poll(); err != nil {
			return readError(err)
		}
		if p.batch.Len() > 0 {
			s.handle(now, p.batch)
			s.reportSoon()
		}
		s.release(p.read)
	}
	return nil
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
		if at := s.wake(); !at.IsZero() {
			wake.Reset(time.Until(at))
		}
		select {
		case rd := <-s.full:
			if rd.err != nil {
				return readError(rd.err)
			}
			s.handle(time.Now(), rd.batch)
			s.release(rd)
			s.reportSoon()
		case j := <-s.jobs:
			s.running--
			s.r.Finish(time.Now(), j)
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
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := s.reportNow(time.Now()); err != nil && s.r.Err() == nil {
		return err
	}
	return s.r.Err()
}

func readError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errors.New("receiver: socket closed during the transfer")
	}
	return err
}

func (s *shell) handle(now time.Time, b Batch) {
	for i := range b.Len() {
		s.datagrams++
		if s.opts.Lost != nil && s.opts.Lost() {
			s.dropped++
			continue
		}
		datagram, from := b.Datagram(i)
		if err := s.r.Handle(now, from, datagram); err != nil {
			s.ignored[err.(proto.Reason)]++
		}
	}
	if packets := s.r.Streams().Take(); len(packets) > 0 {
		s.heard(now, packets)
	}
}

// heard passes on which packets a batch had.
func (s *shell) heard(now time.Time, packets []Heard) {
	if s.opts.Heard != nil {
		s.opts.Heard(now, packets)
	}
	if s.opts.Layers != nil {
		s.opts.Layers.Hear(now, packets)
		s.follow(now)
	}
}

// wake returns when to call tick and pollDue; the zero time: never.
func (s *shell) wake() time.Time {
	at := s.r.Wake()
	if s.opts.Layers != nil {
		at = earlier(at, s.opts.Layers.Wake())
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
		s.follow(now)
	}
}

// follow has another level joined if the policy has decided for one.
func (s *shell) follow(now time.Time) {
	level := s.opts.Layers.Level()
	if level == s.level {
		return
	}
	s.level = level
	if s.opts.LevelChanged != nil {
		s.opts.LevelChanged(now, level)
	}
	if s.levels != nil {
		s.skipLevel()
		s.levels <- level // there is room: nobody else sends
	}
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

// reportSoon has what has just happened reported, if no report is due anyway.
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
	return s.opts.Report(now, Status{
		Progress:  s.r.Progress(),
		Datagrams: s.datagrams,
		Dropped:   s.dropped,
		Ignored:   s.ignored,
	})
}
