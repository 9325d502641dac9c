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

// queueDepth is the number of batches between a reader and the loop. When all
// are in use the reader waits, and the kernel's buffer takes over, whose
// overflow is counted there.
const queueDepth = 8

// reportEvery is the time between two calls of RunOptions.Report.
const reportEvery = 200 * time.Millisecond

// RunOptions are what [Run] needs beside a core and its sockets.
type RunOptions struct {
	// Report, if not nil, is called several times a second and at the end. An
	// error ends the transfer.
	Report func(now time.Time, s Status) error

	// Lost, if not nil, says for every datagram whether it shall be treated as
	// lost on the way.
	Lost func() bool
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
	for _, c := range conns {
		s.readers.Go(func() { s.readFrom(c) })
	}
	err := s.loop(ctx)
	r.Abort()
	close(s.stop)
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
	stop    chan struct{} // closed: readers give up
	readers sync.WaitGroup

	jobs    chan *Job // come back here
	running int

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

// readFrom keeps batches of c moving to the loop until c is closed. There is
// room in the queue for every batch, so that only an empty one is waited for.
func (s *shell) readFrom(c Conn) {
	back := make(chan Batch, queueDepth)
	for range queueDepth {
		back <- c.NewBatch()
	}
	for {
		select {
		case b := <-back:
			err := b.Read()
			s.full <- read{batch: b, back: back, err: err}
			if err != nil {
				return
			}
		case <-s.stop:
			return
		}
	}
}

func (s *shell) loop(ctx context.Context) error {
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for !s.r.Done() {
		for j := s.r.NextJob(); j != nil; j = s.r.NextJob() {
			s.running++
			go func() { j.Run(); s.jobs <- j }()
		}
		if at := s.r.Wake(); !at.IsZero() {
			wake.Reset(time.Until(at))
		}
		select {
		case rd := <-s.full:
			if rd.err != nil {
				return readError(rd.err)
			}
			s.handle(time.Now(), rd.batch)
			rd.back <- rd.batch
		case j := <-s.jobs:
			s.running--
			s.r.Finish(time.Now(), j)
		case now := <-wake.C:
			s.r.Tick(now)
		case now := <-report.C:
			if err := s.report(now); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := s.report(time.Now()); err != nil && s.r.Err() == nil {
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
}

func (s *shell) report(now time.Time) error {
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
