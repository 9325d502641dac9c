// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A memStore is a Store in memory. A full one fails to grow.
type memStore struct {
	b         []byte
	limit     int
	discarded bool
}

var errNoSpace = errors.New("no space left")

func (m *memStore) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(b, off)
}

func (m *memStore) WriteAt(b []byte, off int64) (int, error) {
	end := int(off) + len(b)
	if m.limit > 0 && end > m.limit {
		return 0, errNoSpace
	}
	if end > len(m.b) {
		m.b = append(m.b, make([]byte, end-len(m.b))...)
	}
	return copy(m.b[off:], b), nil
}

func (m *memStore) Reserve(size int64) error {
	_, err := m.WriteAt(nil, size)
	return err
}
func (m *memStore) Sync() error    { return nil }
func (m *memStore) Discard() error { m.discarded = true; return nil }

// A transfer is one receiver and the carousels that it hears, in virtual time.
// Its verbs narrate a test.
type transfer struct {
	t      *testing.T
	now    time.Time
	file   []byte
	object *sender.Object
	seed   uint64

	r      *receiver.Receiver
	store  *memStore
	events []receiver.Event
	count  map[proto.Reason]int
}

// newTransfer makes a file of size bytes and its object, with shards of 256
// bytes so that tests are fast.
func newTransfer(t *testing.T, size int, params proto.Params, cfg receiver.Config) *transfer {
	t.Helper()
	tr := &transfer{t: t, now: epoch, seed: 1, count: map[proto.Reason]int{}}
	tr.file = randomFile(size)
	tr.object = newObject(t, tr.file, params)
	tr.receiver(cfg)
	return tr
}

func randomFile(size int) []byte {
	file := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(size), 7))
	for i := range file {
		file[i] = byte(rng.Uint32())
	}
	return file
}

func newObject(t *testing.T, file []byte, params proto.Params) *sender.Object {
	t.Helper()
	params.Size = uint64(len(file))
	if params.ShardSize == 0 {
		params.ShardSize = proto.MinShardSize
	}
	o, err := sender.Prepare(t.Context(), bytes.NewReader(file), params, sender.PrepareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func auto(t *testing.T, size int) proto.Params {
	t.Helper()
	p, err := fec.Policy{ShardSize: proto.MinShardSize}.Params(uint64(size))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// receiver makes a new receiver, as a process that has just started.
func (tr *transfer) receiver(cfg receiver.Config) {
	tr.t.Helper()
	if cfg.Open == nil {
		cfg.Open = func(proto.ObjectID, proto.Params) (receiver.Store, error) {
			tr.store = &memStore{}
			return tr.store, nil
		}
	}
	cfg.Observe = func(now time.Time, e receiver.Event) {
		if !now.Equal(tr.now) {
			tr.t.Errorf("event %T at %v, want the time of the call, %v", e, now, tr.now)
		}
		tr.events = append(tr.events, e)
	}
	var err error
	if tr.r, err = receiver.New(cfg); err != nil {
		tr.t.Fatal(err)
	}
}

// sender starts a carousel of the object.
func (tr *transfer) sender(cfg sender.Config) *sender.Sender {
	tr.t.Helper()
	tr.seed++
	cfg.Rand = rand.New(rand.NewPCG(tr.seed, 0))
	s, err := sender.New(cfg, tr.object)
	if err != nil {
		tr.t.Fatal(err)
	}
	return s
}

// next returns the next datagram of s and moves the time on.
func (tr *transfer) next(s *sender.Sender) []byte {
	tr.t.Helper()
	if at := s.Wake(); at.After(tr.now) {
		tr.now = at
	}
	b, err := s.AppendDatagrams(nil, tr.now, 1)
	if err != nil {
		tr.t.Fatal(err)
	}
	return b
}

// hear gives a datagram to the receiver and does the jobs that follow.
func (tr *transfer) hear(b []byte, from int) error {
	err := tr.r.Handle(tr.now, receiver.Origin{Interface: from}, b)
	if reason, ok := err.(proto.Reason); ok {
		tr.count[reason]++
	} else if err != nil {
		tr.t.Errorf("Handle returned %v, want a proto.Reason", err)
	}
	for j := tr.r.NextJob(); j != nil; j = tr.r.NextJob() {
		j.Run()
		tr.r.Finish(tr.now, j)
	}
	return err
}

// run lets the receiver hear all carousels in turn until it is done, except
// what lost says, and returns the number of datagrams sent by each.
func (tr *transfer) run(lost func() bool, senders ...*sender.Sender) int {
	tr.t.Helper()
	for n := 0; n < 100_000; n++ {
		for i, s := range senders {
			b := tr.next(s)
			if len(b) > 0 && !lost() {
				tr.hear(b, i)
			}
			if tr.r.Done() {
				return n + 1
			}
		}
	}
	tr.t.Fatalf("not done after 100000 datagrams: %+v", tr.r.Progress())
	return 0
}

func nothing() bool { return false }

// random loses datagrams with a probability in percent.
func random(seed, percent uint64) func() bool {
	rng := rand.New(rand.NewPCG(seed, percent))
	return func() bool { return rng.Uint64N(100) < percent }
}

func (tr *transfer) wantFile() {
	tr.t.Helper()
	if err := tr.r.Err(); err != nil {
		tr.t.Fatalf("transfer failed: %v", err)
	}
	got := make([]byte, len(tr.file))
	if _, err := tr.store.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, tr.file) {
		tr.t.Fatalf("the file differs from the one that was sent (%v)", err)
	}
	if len(tr.store.b) > len(tr.file) {
		tr.t.Errorf("%d bytes were stored for a file of %d", len(tr.store.b), len(tr.file))
	}
}

func TestEveryFileSizeArrivesUnderLoss(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 257, 2560, 32768, 32769, 100_000, 1_000_000, 2_100_000} {
		for _, percent := range []uint64{0, 10, 40} {
			tr := newTransfer(t, size, auto(t, size), receiver.Config{})
			tr.run(random(1, percent), tr.sender(sender.Config{Start: 3000}))
			tr.wantFile()
		}
	}
}
