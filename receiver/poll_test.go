// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"iotupd/receiver"
	"iotupd/sender"
)

// A polledWire is a wire whose batches the loop may poll.
type polledWire struct {
	*wire
	t            *testing.T
	reads, polls int       // how often
	due          time.Time // when Poll may be called again
	last         time.Time // when something was read
	failure      error     // of Poll
}

// A polledBatch wants to be polled while datagrams come one after the other, and
// the last read did not fill it.
type polledBatch struct {
	batch
	on    *polledWire
	pause time.Duration
}

// longPause is how long a polledBatch waits, so that several datagrams come meanwhile.
const longPause = 20 * time.Millisecond

// NewBatch implements [receiver.Conn].
func (w *polledWire) NewBatch() receiver.Batch {
	w.batches++
	return &polledBatch{batch: batch{wire: w.wire}, on: w}
}

// Read implements [receiver.Batch].
func (b *polledBatch) Read() error {
	b.pause = 0
	err := b.batch.Read()
	b.on.reads++
	b.took()
	return err
}

func (b *polledBatch) took() {
	if b.Len() < 10 && time.Since(b.on.last) <= 2*longPause {
		b.pause = longPause
	}
	b.on.last, b.on.due = time.Now(), time.Now().Add(b.pause)
}

// Poll implements [receiver.Poller].
func (b *polledBatch) Poll() error {
	if b.on.reading.Load() != 0 {
		b.on.t.Error("polled while somebody reads")
	}
	if got := time.Now(); !got.Equal(b.on.due) {
		b.on.t.Errorf("polled %v after it was due", got.Sub(b.on.due))
	}
	b.on.polls++
	b.pause, b.held = 0, b.held[:0]
	if len(b.on.datagrams) == 0 || b.on.failure != nil {
		return b.on.failure
	}
	err := b.batch.Read()
	b.took()
	return err
}

// Pause implements [receiver.Poller].
func (b *polledBatch) Pause() time.Duration { return b.pause }

// poll runs b's receiver on a polledWire.
func (b *bubble) poll(w *polledWire) error {
	return receiver.Run(b.t.Context(), b.r, []receiver.Conn{w}, receiver.RunOptions{
		Report: func(_ time.Time, s receiver.Status) error { b.last = s; return nil },
	})
}

func TestDatagramsThatComeOneAfterTheOtherWakeNoReader(t *testing.T) {
	// "... so that no goroutine has to be woken for each of the datagrams that come
	// one after the other."
	for _, rate := range []int64{300_000, 1_000_000, 10_000_000} {
		inBubble(t, smallSource(t), 1, func(b *bubble) {
			w := &polledWire{wire: b.wires[0], t: t}
			b.send(0, sender.Config{Rate: rate})
			if err := b.poll(w); err != nil {
				t.Fatal(err)
			}
			b.wantFile()
			if w.polls == 0 || w.reads > 5+int(b.last.Datagrams)/10 {
				t.Errorf("%d bit/s: %d reads and %d polls for %d datagrams", rate, w.reads, w.polls, b.last.Datagrams)
			}
			if w.batches > 2 && w.reads < 10 {
				t.Errorf("%d batches were made, want one or two", w.batches)
			}
		})
	}
}

func TestDatagramsFarApartAreReadAtOnce(t *testing.T) {
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		w := &polledWire{wire: b.wires[0], t: t}
		go func() {
			for range 100 {
				time.Sleep(time.Second)
				w.datagrams <- []byte("something else")
			}
			time.Sleep(time.Second)
			w.readErr <- net.ErrClosed
		}()
		b.poll(w)
		if w.polls != 0 || b.last.Datagrams != 100 {
			t.Errorf("%d datagrams were heard and %d polls made, want 100 and none", b.last.Datagrams, w.polls)
		}
	})
}

func TestAPollThatFailsEndsRun(t *testing.T) {
	down := errors.New("network is down")
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		w := &polledWire{wire: b.wires[0], t: t, failure: down}
		b.send(0, sender.Config{})
		if err := b.poll(w); !errors.Is(err, down) {
			t.Errorf("Run returned %v, want %v", err, down)
		}
	})
}
