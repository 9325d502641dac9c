// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// smallest are parameters of the smallest shards, so that tests are fast. Few
// objects of such shards have a hash tree.
func smallest(code proto.Code, k, m int) proto.Params {
	return proto.Params{Code: code, K: k, M: m, ShardSize: proto.MinShardSize}
}

// small are parameters of small shards that have room for the records of any
// object here.
func small(code proto.Code, k, m int) proto.Params {
	return proto.Params{Code: code, K: k, M: m, ShardSize: 2 * proto.MinShardSize}
}

// auto are the parameters that a sender chooses for a file of size bytes.
func auto(t testing.TB, size int) proto.Params {
	t.Helper()
	p, err := fec.Policy{ShardSize: 2 * proto.MinShardSize}.Params(uint64(size))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A source is a file and the object that senders make of it.
type source struct {
	t      testing.TB
	file   []byte
	object *sender.Object
	geo    proto.Geometry
	tree   proto.Tree // zero: the object has no tree
	id     proto.ObjectID
}

// newSource makes a file of size random bytes, called name, and of that an
// object without digests.
func newSource(t testing.TB, name string, size int, p proto.Params) *source {
	t.Helper()
	return prepare(t, name, size, p, sender.PrepareConfig{WithoutDigests: true})
}

// newTree is newSource of an object with digests.
func newTree(t testing.TB, name string, size int, p proto.Params) *source {
	t.Helper()
	return prepare(t, name, size, p, sender.PrepareConfig{})
}

// A maker is newSource or newTree.
type maker func(t testing.TB, name string, size int, p proto.Params) *source

// eachKind runs a test of objects without digests and with them.
func eachKind(t *testing.T, test func(*testing.T, maker)) {
	t.Run("plain", func(t *testing.T) { test(t, newSource) })
	t.Run("digests", func(t *testing.T) { test(t, newTree) })
}

func prepare(t testing.TB, name string, size int, p proto.Params, cfg sender.PrepareConfig) *source {
	t.Helper()
	key := [32]byte([]byte(fmt.Sprintf("%-32.32s", fmt.Sprint(size, name))))
	file := make([]byte, size)
	rand.NewChaCha8(key).Read(file)
	return prepareFile(t, name, file, p, cfg)
}

func prepareFile(t testing.TB, name string, file []byte, p proto.Params, cfg sender.PrepareConfig) *source {
	t.Helper()
	p.Size = uint64(len(file))
	o, err := sender.Prepare(t.Context(), bytes.NewReader(file), p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.Manifest.Name = name
	geo, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	s := &source{t: t, file: file, object: o, geo: geo, id: o.Manifest.Descriptor.Object()}
	if o.Digests != nil {
		if s.tree, err = geo.Tree(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// sender starts a carousel of the source.
func (s *source) sender(cfg sender.Config) *sender.Sender {
	s.t.Helper()
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(uint64(cfg.Sender), uint64(cfg.Start)))
	}
	alone := *s.object
	alone.Manifest.Inventory = proto.Descriptor{} // without which an archive is not sent
	c, err := sender.New(cfg, &alone)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// manifest returns the datagram with the manifest.
func (s *source) manifest() []byte {
	s.t.Helper()
	if m := &s.object.Manifest; m.Catalogue > 0 || m.IsArchive() || m.Archive != (proto.ObjectID{}) { // which is not sent alone
		h := proto.Header{Type: proto.TypeManifest, Object: s.id, Params: s.geo.Params, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
		b, err := s.object.Manifest.AppendPayload(h.AppendTo(nil))
		if err != nil {
			s.t.Fatal(err)
		}
		proto.PutChecksum(b)
		return b
	}
	b, err := s.sender(sender.Config{}).AppendDatagrams(nil, epoch, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// shard returns the datagram with a shard.
func (s *source) shard(g uint32, index int) []byte {
	s.t.Helper()
	h := proto.Header{Type: proto.TypeParity, Object: s.id, Params: s.geo.Params, Group: g, Index: index, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
	if index < s.geo.K {
		h.Type, h.Offset = proto.TypeData, s.geo.Offset(g, index)
	}
	b, err := s.object.Shards.AppendShard(h.AppendTo(nil), g, index)
	if err != nil {
		s.t.Fatal(err)
	}
	proto.PutChecksum(b)
	return b
}

// digest returns the datagram with a record of the hash tree.
func (s *source) digest(g uint32, record int) []byte {
	s.t.Helper()
	h := proto.Header{Type: proto.TypeDigest, Object: s.id, Params: s.geo.Params, Group: g, Index: record, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
	b, err := s.object.Digests.AppendDigest(h.AppendTo(nil), g, record)
	if err != nil {
		s.t.Fatal(err)
	}
	proto.PutChecksum(b)
	return b
}

// forgery returns the datagram with a shard that is not what it should be.
func (s *source) forgery(g uint32, index int) []byte {
	return forge(s.t, s.shard(g, index), func(_ *proto.Header, payload []byte) { payload[7] ^= 1 })
}

// real lists the shards that a carousel sends, data and parity, as group and
// index.
func (s *source) real() (all [][2]int) {
	for g := range int(s.geo.Groups) {
		for i := range s.geo.K + s.geo.M {
			if i >= s.geo.K || !s.geo.Virtual(uint32(g), i) {
				all = append(all, [2]int{g, i})
			}
		}
	}
	return all
}

// forge returns a datagram changed on purpose: its checksum is right.
func forge(t testing.TB, datagram []byte, change func(h *proto.Header, payload []byte)) []byte {
	t.Helper()
	h, payload, err := proto.Parse(datagram)
	if err != nil {
		t.Fatal(err)
	}
	payload = bytes.Clone(payload)
	change(&h, payload)
	b := append(h.AppendTo(nil), payload...)
	proto.PutChecksum(b)
	return b
}

// A transfer is one receiver in virtual time. Its verbs narrate a test.
type transfer struct {
	t   testing.TB
	src *source // of the file that is to arrive
	now time.Time

	r       *receiver.Receiver
	stores  []*receiver.MemStore // in the order of Open
	opened  func(*receiver.MemStore)
	events  []receiver.Event
	ignored map[proto.Reason]int
	idle    bool       // jobs are left alone
	beside  *rand.Rand // jobs run beside, and come back when it says; nil: at once
	running []runningJob
}

// A runningJob is on a goroutine of its own.
type runningJob struct {
	*receiver.Job
	done chan struct{} // closed when it has run
}

// receive starts a receiver.
func (s *source) receive(cfg receiver.Config) *transfer {
	s.t.Helper()
	tr := &transfer{t: s.t, src: s, now: epoch, ignored: map[proto.Reason]int{}}
	if cfg.Open == nil {
		cfg.Open = func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
			tr.stores = append(tr.stores, receiver.NewMemStore(int(p.Size)))
			if tr.opened != nil {
				tr.opened(tr.store())
			}
			return tr.store(), nil
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
	return tr
}

// resume starts a receiver that finds what an earlier one left.
func (s *source) resume(found *receiver.MemStore, cfg receiver.Config) (tr *transfer) {
	s.t.Helper()
	cfg.Open = func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
		tr.stores = append(tr.stores, found)
		found = receiver.NewMemStore(int(p.Size)) // if that is given up
		return tr.store(), nil
	}
	tr = s.receive(cfg)
	return tr
}

// store returns the store of the object that was chosen last.
func (tr *transfer) store() *receiver.MemStore { return tr.stores[len(tr.stores)-1] }

// hear gives a datagram, which came over an interface, to the receiver.
func (tr *transfer) hear(datagram []byte, from int) error {
	err := tr.r.Handle(tr.now, receiver.Origin{Interface: from}, datagram)
	if reason, ok := err.(proto.Reason); ok {
		tr.ignored[reason]++
	} else if err != nil {
		tr.t.Errorf("Handle returned %v, want a proto.Reason", err)
	}
	if !tr.idle {
		tr.work()
	} else {
		openStore(tr.r, tr.now)
	}
	return err
}

// openStore does the job of opening the store, if it is the next one.
func openStore(r *receiver.Receiver, now time.Time) {
	if r.Opening() {
		open := r.NextJob()
		open.Run()
		r.Finish(now, open)
	}
}

// hearAll gives datagrams to the receiver, none of which it may ignore.
func (tr *transfer) hearAll(datagrams ...[]byte) {
	tr.t.Helper()
	for i, b := range datagrams {
		if err := tr.hear(b, 0); err != nil {
			tr.t.Fatalf("datagram %d: %v", i, err)
		}
	}
}

// work does the jobs that are there.
func (tr *transfer) work() {
	if tr.beside != nil {
		tr.workBeside()
		return
	}
	for j := tr.r.NextJob(); j != nil; j = tr.r.NextJob() {
		j.Run()
		tr.r.Finish(tr.now, j)
	}
}

// job returns the next job, after those that write to the store.
func (tr *transfer) job() *receiver.Job {
	for {
		j := tr.r.NextJob()
		if j == nil || !j.Writes() {
			return j
		}
		j.Run()
		tr.r.Finish(tr.now, j)
	}
}

// workBeside starts some jobs, and takes some back that were started before.
func (tr *transfer) workBeside() {
	for tr.beside.IntN(3) > 0 {
		j := tr.r.NextJob()
		if j == nil {
			break
		}
		done := make(chan struct{})
		if j.Opens() { // calls back into the test
			j.Run()
			close(done)
		} else {
			go func() { j.Run(); close(done) }()
		}
		tr.t.Cleanup(func() { <-done })
		tr.running = append(tr.running, runningJob{j, done})
	}
	for len(tr.running) > 0 && tr.beside.IntN(2) > 0 {
		i := tr.beside.IntN(len(tr.running))
		j := tr.running[i]
		tr.running = slices.Delete(tr.running, i, i+1)
		<-j.done
		tr.r.Finish(tr.now, j.Job)
	}
}

// later moves the time on.
func (tr *transfer) later(d time.Duration) {
	tr.now = tr.now.Add(d)
	tr.r.Tick(tr.now)
	if !tr.idle {
		tr.work()
	}
}

// next returns the next datagram of a carousel, and moves the time on to it.
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

// run gives the receiver the packets of carousels in turn, except lost ones,
// until it is done. It returns how many shards they have sent together.
func (tr *transfer) run(lost func() bool, carousels ...*sender.Sender) (shards int) {
	tr.t.Helper()
	for range 200_000 {
		for i, s := range carousels {
			b := tr.next(s)
			if len(b) == 0 {
				continue
			}
			if _, _, ok := hasShard(tr.t, b); ok {
				shards++
			}
			if !lost() {
				tr.hear(b, i)
			}
			if tr.r.Done() {
				return shards
			}
		}
	}
	tr.t.Fatalf("not done after 200000 datagrams: %+v", tr.r.Progress())
	return 0
}

// hasShard reports whether a datagram carries a shard, and which.
func hasShard(t testing.TB, datagram []byte) (g uint32, index int, ok bool) {
	t.Helper()
	h, _, err := proto.Parse(datagram)
	if err != nil {
		t.Fatal(err)
	}
	return h.Group, h.Index, h.Type == proto.TypeData || h.Type == proto.TypeParity
}

func nothing() bool { return false }

// percent loses so many of a hundred datagrams, independently.
func percent(p, seed uint64) func() bool {
	rnd := rand.New(rand.NewPCG(seed, p))
	return func() bool { return rnd.Uint64N(100) < p }
}

// periodic loses one datagram of every period.
func periodic(period int) func() bool {
	n := 0
	return func() bool { n++; return n%period == 0 }
}

// wantFile fails unless the file arrived and was verified.
func (tr *transfer) wantFile() {
	tr.t.Helper()
	if err := tr.r.Err(); err != nil {
		tr.t.Fatalf("the transfer failed: %v", err)
	}
	if !tr.r.Done() {
		tr.t.Fatalf("the transfer is not done: %+v", tr.r.Progress())
	}
	if !bytes.Equal(tr.store().Bytes(), tr.src.file) {
		tr.t.Fatal("the file differs from the one that was sent")
	}
	if got := count[receiver.Verified](tr); got != 1 {
		tr.t.Fatalf("%d Verified events, want 1", got)
	}
}

// count returns the number of events of a type.
func count[E receiver.Event](tr *transfer) (n int) {
	for _, e := range tr.events {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// wantEvents fails unless just these events, by type, were observed.
func (tr *transfer) wantEvents(want ...receiver.Event) {
	tr.t.Helper()
	ok := len(want) == len(tr.events)
	for i := 0; ok && i < len(want); i++ {
		ok = reflect.TypeOf(want[i]) == reflect.TypeOf(tr.events[i])
	}
	if !ok {
		tr.t.Errorf("events %+v, want %T", tr.events, want)
	}
}
