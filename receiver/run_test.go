// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// A wire is a Conn in memory: what one side writes, the other reads.
type wire struct {
	number    int
	datagrams chan []byte
	closed    chan struct{}
	readErr   chan error   // what the next Read fails with
	reading   atomic.Int32 // calls of Read under way
	batches   int
}

func newWire(number int) *wire {
	return &wire{
		number:    number,
		datagrams: make(chan []byte, 100),
		closed:    make(chan struct{}),
		readErr:   make(chan error, 1),
	}
}

// NewBatch implements [receiver.Conn].
func (w *wire) NewBatch() receiver.Batch { w.batches++; return &batch{wire: w} }

// Close implements [receiver.Conn].
func (w *wire) Close() error { close(w.closed); return nil }

// WriteSegments implements [sender.Conn].
func (w *wire) WriteSegments(b []byte, segment int) error {
	for b = bytes.Clone(b); len(b) > 0; b = b[segment:] {
		select {
		case w.datagrams <- b[:segment:segment]:
		case <-w.closed: // nobody listens
		}
	}
	return nil
}

// A batch has the datagrams that had arrived at the time of Read, 10 at most.
// Read clobbers what the batch held before.
type batch struct {
	wire *wire
	held [][]byte
}

// Read implements [receiver.Batch].
func (b *batch) Read() error {
	b.wire.reading.Add(1)
	defer b.wire.reading.Add(-1)
	for _, d := range b.held {
		clear(d)
	}
	b.held = b.held[:0]
	select {
	case d := <-b.wire.datagrams:
		b.held = append(b.held, d)
	case err := <-b.wire.readErr:
		return err
	case <-b.wire.closed:
		return net.ErrClosed
	}
	for len(b.held) < 10 {
		select {
		case d := <-b.wire.datagrams:
			b.held = append(b.held, d)
		default:
			return nil
		}
	}
	return nil
}

// Len implements [receiver.Batch].
func (b *batch) Len() int { return len(b.held) }

// Datagram implements [receiver.Batch].
func (b *batch) Datagram(i int) ([]byte, receiver.Origin) {
	return b.held[i], receiver.Origin{Interface: b.wire.number}
}

// A bubble is a receiver that runs, in virtual time, and the senders that it
// hears. A goroutine that is left in it fails the test.
type bubble struct {
	t     *testing.T
	src   *source
	r     *receiver.Receiver
	store *receiver.MemStore
	wires []*wire

	senders sync.WaitGroup
	last    receiver.Status // last one reported
	reports int
}

// inBubble calls f with a receiver of src that listens to so many wires.
func inBubble(t *testing.T, src *source, wires int, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, src: src, store: receiver.NewMemStore(len(src.file))}
		for i := range wires {
			b.wires = append(b.wires, newWire(i))
		}
		b.receiver(b.store)
		f(b)
		b.senders.Wait()
	})
}

// receiver makes a new receiver with a store.
func (b *bubble) receiver(store receiver.Store) {
	b.t.Helper()
	var err error
	b.r, err = receiver.New(receiver.Config{
		Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return store, nil },
		Observe: func(now time.Time, e receiver.Event) {
			if !now.Equal(time.Now()) {
				b.t.Errorf("%T at %v, want the present, %v", e, now, time.Now())
			}
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// send starts a sender, which stops when nobody listens to its wire. It has an
// object of its own, as if it were another process.
func (b *bubble) send(wire int, cfg sender.Config) {
	s := newSource(b.t, "", len(b.src.file), b.src.geo.Params).sender(cfg)
	b.senders.Go(func() {
		err := sender.Run(b.t.Context(), s, b.wires[wire], sender.RunOptions{
			Report: func(time.Time, sender.Progress) error {
				select {
				case <-b.wires[wire].closed:
					return net.ErrClosed
				default:
					return nil
				}
			},
		})
		if err != nil && err != net.ErrClosed {
			b.t.Errorf("sender: %v", err)
		}
	})
}

// run calls Run. All that it was given and all that it started must be closed
// and ended when it returns.
func (b *bubble) run(ctx context.Context, opts receiver.RunOptions) error {
	b.t.Helper()
	if opts.Report == nil {
		opts.Report = func(_ time.Time, s receiver.Status) error {
			b.reports++
			b.last = s
			b.last.Ignored = maps.Clone(s.Ignored)
			return nil
		}
	}
	var conns []receiver.Conn
	for _, w := range b.wires {
		conns = append(conns, w)
	}
	err := receiver.Run(ctx, b.r, conns, opts)
	for i, w := range b.wires {
		select {
		case <-w.closed:
		default:
			b.t.Errorf("wire %d was not closed", i)
		}
		if w.reading.Load() != 0 {
			b.t.Errorf("wire %d is still read from", i)
		}
	}
	return err
}

func (b *bubble) wantFile() {
	b.t.Helper()
	if !b.r.Done() || b.r.Err() != nil || !bytes.Equal(b.store.Bytes(), b.src.file) {
		b.t.Errorf("done %v, error %v, or the wrong file", b.r.Done(), b.r.Err())
	}
}

// smallSource makes a file of 25 kB.
func smallSource(t *testing.T) *source {
	return newSource(t, "", 25_000, smallest(proto.CodeLeopard8, 40, 40))
}

func TestRunReceivesAFile(t *testing.T) {
	// "Run feeds r from conns until it is done ... nil if the object is
	// complete and verified."
	for _, size := range []int{0, 1, 25_000} {
		src := newSource(t, "", size, auto(t, size))
		inBubble(t, src, 1, func(b *bubble) {
			b.send(0, sender.Config{Rate: 1_000_000})
			if err := b.run(b.t.Context(), receiver.RunOptions{}); err != nil {
				b.t.Fatal(err)
			}
			b.wantFile()
			if b.last.Decoded != b.last.Groups || b.last.Datagrams == 0 {
				b.t.Errorf("the last report is %+v", b.last)
			}
		})
	}
}

func TestRunListensToAllConns(t *testing.T) {
	inBubble(t, smallSource(t), 3, func(b *bubble) {
		b.send(0, sender.Config{Sender: 1, Senders: 2})
		b.send(2, sender.Config{Sender: 2, Senders: 2})
		if err := b.run(b.t.Context(), receiver.RunOptions{}); err != nil {
			b.t.Fatal(err)
		}
		b.wantFile()
		if b.last.Data == 0 || b.last.Parity == 0 {
			b.t.Errorf("heard %d data and %d parity shards, want both, of two senders", b.last.Data, b.last.Parity)
		}
		for i, w := range b.wires {
			if w.batches > 16 {
				b.t.Errorf("wire %d: %d batches were made", i, w.batches)
			}
		}
	})
}

func TestLostDatagramsAreCounted(t *testing.T) {
	// "Lost, if not nil, says for every datagram whether to treat it as lost."
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		b.send(0, sender.Config{})
		draw, lost, heard := percent(30, 1), uint64(0), uint64(0)
		err := b.run(b.t.Context(), receiver.RunOptions{Lost: func() bool {
			if draw() {
				lost++
				return true
			}
			heard++
			return false
		}})
		if err != nil {
			b.t.Fatal(err)
		}
		b.wantFile()
		if b.last.Dropped != lost || b.last.Datagrams != lost+heard || lost == 0 {
			b.t.Errorf("%d of %d datagrams dropped, want %d of %d", b.last.Dropped, b.last.Datagrams, lost, lost+heard)
		}
		if ratio := b.last.Loss.Ratio(); ratio < 0.15 || ratio > 0.45 {
			b.t.Errorf("measured a loss of %v, want about 0.3", ratio)
		}
	})
}

func TestIgnoredDatagramsAreCountedByReason(t *testing.T) {
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		b.wires[0].WriteSegments([]byte("something else"), 7)
		b.wires[0].WriteSegments(b.src.shard(0, 3), b.src.geo.ShardSize+64)
		b.wires[0].WriteSegments(b.src.shard(0, 3), b.src.geo.ShardSize+64)
		b.send(0, sender.Config{Start: 100})
		if err := b.run(b.t.Context(), receiver.RunOptions{}); err != nil {
			b.t.Fatal(err)
		}
		b.wantFile()
		if got := b.last.Ignored; got[proto.ReasonLength] != 2 || got[receiver.ReasonDuplicate] == 0 {
			b.t.Errorf("ignored %v, want 2 for their length and at least a duplicate", got)
		}
	})
}

func TestAnEndedContextEndsRun(t *testing.T) {
	enough := errors.New("enough")
	inBubble(t, smallSource(t), 2, func(b *bubble) {
		ctx, cancel := context.WithTimeoutCause(b.t.Context(), time.Hour, enough)
		defer cancel()
		start := time.Now()
		if err := b.run(ctx, receiver.RunOptions{}); err != enough {
			b.t.Errorf("Run returned %v, want the cause %v", err, enough)
		}
		if got := time.Since(start); got != time.Hour {
			b.t.Errorf("Run returned after %v, want 1h", got)
		}
		if b.reports != 1 {
			b.t.Errorf("%d reports in an hour, want one, at the beginning", b.reports)
		}
	})
}

// A slowStore takes its time to sync.
type slowStore struct {
	*receiver.MemStore
	syncing chan struct{}
	synced  atomic.Bool
}

// Sync implements [receiver.Store].
func (s *slowStore) Sync() error {
	close(s.syncing)
	time.Sleep(time.Minute)
	s.synced.Store(true)
	return s.MemStore.Sync()
}

func TestRunWaitsForItsJobs(t *testing.T) {
	// "Before it returns, it closes conns and waits for its goroutines".
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		store := &slowStore{MemStore: b.store, syncing: make(chan struct{})}
		b.receiver(store)
		b.send(0, sender.Config{})
		ctx, cancel := context.WithCancel(b.t.Context())
		go func() {
			<-store.syncing
			cancel()
		}()
		if err := b.run(ctx, receiver.RunOptions{}); !errors.Is(err, context.Canceled) {
			b.t.Errorf("Run returned %v, want %v", err, context.Canceled)
		}
		if !store.synced.Load() {
			b.t.Error("Run returned before the final hash was done")
		}
	})
}

// A stuckStore does one operation each time that it is allowed to.
type stuckStore struct {
	*receiver.MemStore
	op    string
	begun chan struct{} // gets an element when the operation begins
	end   chan struct{} // closed: it ends
}

func (s *stuckStore) wait(op string) {
	if op != s.op {
		return
	}
	select {
	case s.begun <- struct{}{}:
	default: // it has begun before
	}
	<-s.end
}

// Reserve implements [receiver.Store].
func (s *stuckStore) Reserve(size int64) error {
	s.wait("Reserve")
	return s.MemStore.Reserve(size)
}

// WriteAt implements [receiver.Store].
func (s *stuckStore) WriteAt(b []byte, at int64) (int, error) {
	s.wait("WriteAt")
	return s.MemStore.WriteAt(b, at)
}

func TestADiskThatDoesNotAnswerHoldsNoPacketsUp(t *testing.T) {
	// "Nothing blocks the loop": a file system that cannot reserve space takes
	// minutes for that.
	for _, op := range []string{"Open", "Reserve", "WriteAt"} {
		inBubble(t, smallSource(t), 1, func(b *bubble) {
			store := &stuckStore{MemStore: b.store, op: op, begun: make(chan struct{}, 1), end: make(chan struct{})}
			var err error
			b.r, err = receiver.New(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) {
				store.wait("Open")
				return store, nil
			}})
			if err != nil {
				b.t.Fatal(err)
			}
			b.send(0, sender.Config{Rate: 1_000_000})
			began, more := uint64(0), false // datagrams when the operation had begun
			err = b.run(b.t.Context(), receiver.RunOptions{Report: func(_ time.Time, s receiver.Status) error {
				select {
				case <-store.begun:
					began, more = s.Datagrams, true
				default:
					if more && s.Datagrams > began+20 {
						more = false
						close(store.end)
					}
				}
				return nil
			}})
			if err != nil {
				b.t.Errorf("%s: %v", op, err)
			}
			b.wantFile()
		})
	}
}

func TestAnErrorOfReportEndsRun(t *testing.T) {
	over := errors.New("over")
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		b.send(0, sender.Config{Rate: sender.MinRate})
		err := b.run(b.t.Context(), receiver.RunOptions{Report: func(_ time.Time, s receiver.Status) error {
			if s.Datagrams > 10 {
				return over
			}
			return nil
		}})
		if err != over {
			b.t.Errorf("Run returned %v, want %v", err, over)
		}
	})
}

func TestNothingIsReportedWhileNothingHappens(t *testing.T) {
	// "While nothing happens it is not called, so that an idle receiver does not
	// wake the processor."
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Hour)
		defer cancel()
		time.AfterFunc(30*time.Minute, func() { b.wires[0].datagrams <- []byte("other") })
		if err := b.run(ctx, receiver.RunOptions{}); err != context.DeadlineExceeded {
			b.t.Errorf("Run returned %v, want %v", err, context.DeadlineExceeded)
		}
		if b.reports != 2 || b.last.Datagrams != 1 || b.wires[0].batches > 2 {
			b.t.Errorf("got %d reports, the last one %+v, and %d batches; want one report at the beginning, one of a datagram, and two batches at most",
				b.reports, b.last, b.wires[0].batches)
		}
	})
}

func TestAFailingSocketEndsRun(t *testing.T) {
	down := errors.New("network is down")
	inBubble(t, smallSource(t), 2, func(b *bubble) {
		b.send(0, sender.Config{Rate: sender.MinRate})
		time.AfterFunc(time.Second, func() { b.wires[1].readErr <- down })
		if err := b.run(b.t.Context(), receiver.RunOptions{}); !errors.Is(err, down) {
			b.t.Errorf("Run returned %v, want %v", err, down)
		}
	})
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		b.wires[0].readErr <- net.ErrClosed
		if err := b.run(b.t.Context(), receiver.RunOptions{}); err == nil || !strings.Contains(err.Error(), "closed") {
			b.t.Errorf("Run returned %v for a socket that somebody closed", err)
		}
	})
}

func TestAFailingStoreEndsRun(t *testing.T) {
	for _, op := range []string{"WriteAt", "Reserve", "Sync"} {
		inBubble(t, smallSource(t), 1, func(b *bubble) {
			b.store.Fail[op] = errDisk
			b.send(0, sender.Config{})
			var failure *receiver.StoreError
			if err := b.run(b.t.Context(), receiver.RunOptions{}); !errors.As(err, &failure) || !errors.Is(err, errDisk) {
				b.t.Errorf("%s: Run returned %v, want a StoreError for %v", op, err, errDisk)
			}
		})
	}
}

func TestShardsAreStoredWhenNothingElseHappens(t *testing.T) {
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		b.wires[0].WriteSegments(append(b.src.shard(0, 0), b.src.manifest()...), b.src.geo.ShardSize+64)
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(500*time.Millisecond, func() {
			if got := b.store.Bytes()[:256]; !bytes.Equal(got, b.src.file[:256]) {
				b.t.Error("a shard was not stored after half a second")
			}
		})
		b.run(ctx, receiver.RunOptions{})
	})
}
