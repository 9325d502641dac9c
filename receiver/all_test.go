// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// A fleet is a set of objects that are sent together, each by a carousel of its own.
type fleet struct {
	t       testing.TB
	sources []*source
	senders []*sender.Sender // nil: of a catalogue
	sent    []int            // packets of catalogues
	seq     uint32
}

// newFleet returns a set of sources whose packets have the flag SET.
func newFleet(t testing.TB, sources ...*source) *fleet {
	f := &fleet{t: t, sources: sources}
	for _, s := range sources {
		if s.object.Manifest.Catalogue > 0 {
			f.senders = append(f.senders, nil)
		} else {
			f.senders = append(f.senders, s.sender(sender.Config{Rate: -1}))
		}
	}
	f.sent = make([]int, len(sources))
	return f
}

// next returns the next packet of source i.
func (f *fleet) next(i int) []byte {
	b := f.catalogue(i)
	if s := f.senders[i]; s != nil {
		var err error
		if b, err = s.AppendDatagrams(nil, epoch, 1); err != nil {
			f.t.Fatal(err)
		}
	}
	f.seq++
	return forge(f.t, b, func(h *proto.Header, _ []byte) { h.Path.Flags |= proto.PathSet; h.Path.Seq = f.seq })
}

// catalogue returns the next packet of source i, if that is a catalogue: a sender sends
// none alone.
func (f *fleet) catalogue(i int) []byte {
	s := f.sources[i]
	if f.senders[i] != nil {
		return nil
	}
	n := f.sent[i]
	f.sent[i]++
	if n%50 == 0 {
		return s.manifest()
	}
	shards := s.real()
	shard := shards[n%len(shards)]
	return s.shard(uint32(shard[0]), shard[1])
}

// catalogueOf returns a catalogue of sources, as a source. change may change the
// manifest of the catalogue, and sign it.
func catalogueOf(t testing.TB, change func(m *proto.Manifest), sources ...*source) *source {
	t.Helper()
	var all []*proto.Manifest
	for _, s := range sources {
		all = append(all, &s.object.Manifest)
	}
	content, err := proto.AppendCatalogue(nil, all)
	if err != nil {
		t.Fatal(err)
	}
	c := prepareFile(t, "", content, sources[0].geo.Params, sender.PrepareConfig{})
	c.object.Manifest.Catalogue = uint32(len(sources))
	if change != nil {
		change(&c.object.Manifest)
	}
	return c
}

// filesOf returns n small sources.
func filesOf(t testing.TB, n int) (all []*source) {
	for i := range n {
		all = append(all, newTree(t, fmt.Sprintf("file %d", i), 3000+100*i, small(proto.CodeLeopard8, 5, 5)))
	}
	return all
}

// A harvest receives all objects of a set.
type harvest struct {
	*transfer
	stores map[proto.ObjectID]*receiver.MemStore
}

func reap(t testing.TB, cfg receiver.Config) *harvest {
	h := &harvest{stores: make(map[proto.ObjectID]*receiver.MemStore)}
	cfg.Take = receiver.TakeAll
	if cfg.Open == nil {
		cfg.Open = func(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
			h.stores[id] = receiver.NewMemStore(int(p.Size))
			return h.stores[id], nil
		}
	}
	src := &source{t: t}
	h.transfer = src.receive(cfg)
	return h
}

// finished returns the names of the files that are complete.
func (h *harvest) finished() map[string]bool {
	names := make(map[string]bool)
	for _, e := range h.events {
		if e, ok := e.(receiver.Finished); ok {
			names[e.Manifest.Name] = true
		}
	}
	return names
}

// wantFiles fails unless these files are complete and right, and no others.
func (h *harvest) wantFiles(sources ...*source) {
	h.t.Helper()
	names := h.finished()
	for _, s := range sources {
		if name := s.object.Manifest.Name; !names[name] {
			h.t.Errorf("%q is not finished", name)
		} else if got := h.stores[s.id].Bytes(); !bytes.Equal(got, s.file) {
			h.t.Errorf("%q has other bytes", name)
		}
	}
	if len(names) != len(sources) {
		h.t.Errorf("%d files are finished, want %d", len(names), len(sources))
	}
}

// run passes packets of all sources in turn until the receiver is done. One in lost is
// lost.
func (h *harvest) run(f *fleet, lost int, rnd *rand.Rand) (sent int) {
	h.t.Helper()
	for ; !h.r.Done(); sent++ {
		if sent > 200*len(f.sources)+15_000 {
			h.t.Fatalf("not done after %d packets: %+v", sent, h.r.Totals())
		}
		h.now = h.now.Add(time.Millisecond)
		if at := h.r.Wake(); !at.IsZero() && !h.now.Before(at) {
			h.r.Tick(h.now)
			h.work()
		}
		if b := f.next(sent % len(f.sources)); rnd.IntN(lost) > 0 {
			h.hear(b, 1)
		}
	}
	return sent
}

func TestAllObjectsOfASetAreReceivedAtOnce(t *testing.T) {
	// spec.md 7.2, receivers that take all objects.
	files := filesOf(t, 12)
	h := reap(t, receiver.Config{})
	h.run(newFleet(t, files...), 10, rand.New(rand.NewPCG(1, 2)))
	h.wantFiles(files...)
	want := receiver.Totals{Objects: 12, Finished: 12, Complete: true}
	for _, f := range files {
		want.Bytes += uint64(len(f.file))
		want.Needed += f.geo.DataShards
	}
	want.Done, want.Held = want.Bytes, want.Needed
	if got := h.r.Totals(); got != want || h.r.Err() != nil {
		t.Errorf("%+v, %v, want %+v", got, h.r.Err(), want)
	}
}

func TestACatalogueEndsTheListAtOnce(t *testing.T) {
	// "A receiver that holds a manifest of a catalogue treats it as one that came in a
	// packet." spec.md 6.6
	files := filesOf(t, 40)
	catalogue := catalogueOf(t, nil, files...)
	f := newFleet(t, append([]*source{catalogue}, files...)...)
	h := reap(t, receiver.Config{})
	// Manifests of files come too rarely to matter here.
	for i := range files {
		f.next(1 + i)
	}
	began := h.now
	h.run(f, 20, rand.New(rand.NewPCG(1, 2)))
	h.wantFiles(files...)
	if took := h.now.Sub(began); took >= 10*time.Second {
		t.Errorf("done after %v: it waited for more manifests", took)
	}
}

func TestACatalogueThatIsSignedIsEnoughForTheManifestsInIt(t *testing.T) {
	// spec.md 5.5: "An object without a signature of its own counts as signed if a
	// catalogue lists its manifest."
	key, other := keys.Generate(), keys.Generate()
	files := filesOf(t, 3)
	sign := func(by keys.SecretKey) func(m *proto.Manifest) {
		return func(m *proto.Manifest) {
			m.Channel, m.Sequence, m.Component = "iotupd", 7, "maps"
			m.Signatures = []proto.Signature{by.Sign(m)}
		}
	}
	signed := catalogueOf(t, sign(key), files...)
	for name, test := range map[string]struct {
		catalogue *source
		files     []*source // that are received
	}{
		"by a trusted key": {signed, files},
		"by another key":   {catalogueOf(t, sign(other), files...), nil},
		"by nobody":        {catalogueOf(t, nil, files...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := reap(t, receiver.Config{Trust: trusting(key)})
			f := newFleet(t, append([]*source{test.catalogue}, files...)...)
			for i := 0; i < 2000 && !h.r.Done(); i++ {
				h.hear(f.next(i%len(f.sources)), 1)
			}
			h.wantFiles(test.files...)
			policy := trusting(key)
			policy.OwnSignature = true
			strict := reap(t, receiver.Config{Trust: policy})
			f = newFleet(t, append([]*source{test.catalogue}, files...)...)
			for i := range 500 {
				strict.hear(f.next(i%len(f.sources)), 1)
			}
			strict.wantFiles()
			for _, e := range h.events {
				if c, ok := e.(receiver.Certified); ok && (c.Release != receiver.Release{Sequence: 7, Object: test.catalogue.id} || len(c.Signers) != 1 || c.Manifest.Component != "maps") {
					t.Errorf("release %+v of component %q, signed by %d keys", c.Release, c.Manifest.Component, len(c.Signers))
				}
			}
			if done := test.files != nil; h.r.Done() != done {
				t.Errorf("done: %v, want %v", h.r.Done(), done)
			}
		})
	}
}

func TestAnObjectOfACatalogueIsChosenByIt(t *testing.T) {
	// A receiver of one object does not wait for its own manifest, which comes rarely.
	files := filesOf(t, 20)
	wanted := files[7]
	f := newFleet(t, append([]*source{catalogueOf(t, nil, files...)}, files...)...)
	for i := range files {
		f.next(1 + i) // their manifests
	}
	tr := wanted.receive(receiver.Config{Name: func(name string) bool { return name == wanted.object.Manifest.Name }})
	for i := 0; i < 5000 && !tr.r.Done(); i++ {
		tr.hear(f.next(i%len(f.sources)), 1)
	}
	if !tr.r.Done() || tr.r.Manifest().Name != wanted.object.Manifest.Name || !bytes.Equal(tr.store().Bytes(), wanted.file) {
		t.Fatalf("done: %v", tr.r.Done())
	}
}

func TestADamagedCatalogueListsNothing(t *testing.T) {
	// spec.md 6.6: "A receiver MUST refuse it as a whole".
	files := filesOf(t, 3)
	wrong := catalogueOf(t, func(m *proto.Manifest) { m.Catalogue = 4 }, files...)
	h := reap(t, receiver.Config{})
	f := newFleet(t, wrong)
	for range 60 {
		h.hear(f.next(0), 1)
	}
	if n := h.r.Totals().Objects; n != 0 || h.ignored[receiver.ReasonNotNeeded] == 0 {
		t.Errorf("%d objects listed, and ignored: %v", n, h.ignored)
	}
	for _, e := range h.events {
		if r, ok := e.(receiver.Refused); ok && r.Why == receiver.ReasonManifest {
			return
		}
	}
	t.Error("no event says so")
}

func TestTheNumberAndTheSizeOfAllObjectsAreBounded(t *testing.T) {
	files := filesOf(t, 20)
	for name, test := range map[string]struct {
		cfg  receiver.Config
		most int
		why  proto.Reason
	}{
		"objects":      {receiver.Config{MaxObjects: 5}, 5, receiver.ReasonTooMany},
		"total":        {receiver.Config{MaxTotal: 10_000}, 3, receiver.ReasonTooLarge},
		"no catalogue": {receiver.Config{MaxObjects: 19}, 19, receiver.ReasonTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			h := reap(t, test.cfg)
			f := newFleet(t, append([]*source{catalogueOf(t, nil, files...)}, files...)...)
			for i := range 2000 {
				h.hear(f.next(i%len(f.sources)), 1)
			}
			if n := h.r.Totals().Objects; n != test.most || h.ignored[test.why] == 0 {
				t.Errorf("%d objects, want %d; ignored: %v", n, test.most, h.ignored)
			}
		})
	}
}

func TestAnObjectThatFailsEndsNoOther(t *testing.T) {
	files := filesOf(t, 4)
	broken := errors.New("broken")
	h := reap(t, receiver.Config{})
	h = reap(t, receiver.Config{Open: func(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
		switch h.stores[id] = receiver.NewMemStore(int(p.Size)); id {
		case files[0].id:
			return nil, broken
		case files[1].id:
			return nil, receiver.ErrHave
		case files[2].id:
			h.stores[id].Fail["WriteAt"] = broken
		}
		return h.stores[id], nil
	}})
	h.run(newFleet(t, files...), 1<<30, rand.New(rand.NewPCG(1, 1)))
	if got := h.r.Totals(); got.Failed != 2 || got.Finished != 2 || h.r.Err() != nil {
		t.Errorf("%+v, %v", got, h.r.Err())
	}
	failed := 0
	for _, e := range h.events {
		if e, ok := e.(receiver.Failed); ok && errors.Is(e.Err, broken) {
			failed++
		}
	}
	if names := h.finished(); failed != 2 || !names["file 1"] || !names["file 3"] {
		t.Errorf("%d failed, finished: %v", failed, names)
	}
}

func TestANewerReleaseOfAComponentReplacesTheOlderOne(t *testing.T) {
	key := keys.Generate()
	files := filesOf(t, 3)
	for i, of := range []struct {
		component string
		sequence  uint64
	}{{"maps", 1}, {"maps", 2}, {"", 1}} {
		m := &files[i].object.Manifest
		m.Channel, m.Component, m.Sequence = "iotupd", of.component, of.sequence
		m.Signatures = []proto.Signature{key.Sign(m)}
	}
	for name, order := range map[string][]int{"the newer one comes later": {0, 1, 2}, "the newer one comes first": {1, 0, 2}} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, files[order[0]], files[order[1]], files[order[2]])
			h := reap(t, receiver.Config{Trust: trusting(key)})
			h.run(f, 1<<30, rand.New(rand.NewPCG(1, 1)))
			h.wantFiles(files[1], files[2])
		})
	}
}

func TestWithoutAChoiceASetIsListed(t *testing.T) {
	// spec.md 7.2
	files := filesOf(t, 3)
	f := newFleet(t, files...)
	for name, test := range map[string]struct {
		take    receiver.Take
		accept  string // the only name; empty: all
		objects int    // of the list; 0: one is received
	}{
		"three that fit":      {receiver.TakeOnly, "", 3},
		"one that fits":       {receiver.TakeOnly, "file 1", 0},
		"only the list":       {receiver.TakeNone, "", 3},
		"only the list of it": {receiver.TakeNone, "file 1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := receiver.Config{Take: test.take}
			if test.accept != "" {
				cfg.Name = func(name string) bool { return name == test.accept }
			}
			tr := files[1].receive(cfg)
			began := tr.now
			for i := 0; i < 20_000 && !tr.r.Done(); i++ {
				tr.now = tr.now.Add(time.Millisecond)
				if at := tr.r.Wake(); !at.IsZero() && !tr.now.Before(at) {
					tr.r.Tick(tr.now)
				}
				tr.hear(f.next(i%3), 1)
			}
			list := (*receiver.SeveralError)(nil)
			if errors.As(tr.r.Err(), &list) != (test.objects > 0) || list != nil && len(list.Objects) != test.objects {
				t.Fatalf("%v, %+v", tr.r.Err(), list)
			}
			if took := tr.now.Sub(began); took < 11*time.Second {
				t.Errorf("it ended after %v: other manifests may still have come", took)
			}
			if test.objects == 0 && tr.r.Manifest().Name != test.accept {
				t.Errorf("received %q", tr.r.Manifest().Name)
			}
			if test.objects > 0 && len(tr.stores) > 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestASenderOfOneFileIsReceivedAtOnceWithoutAChoice(t *testing.T) {
	src := newTree(t, "only", 20_000, small(proto.CodeLeopard8, 5, 5))
	tr := src.receive(receiver.Config{Take: receiver.TakeOnly})
	s := src.sender(sender.Config{Rate: -1})
	for i := 0; i < 1000 && !tr.r.Done(); i++ {
		b, err := s.AppendDatagrams(nil, tr.now, 1)
		if err != nil {
			t.Fatal(err)
		}
		tr.hear(b, 1)
	}
	if !tr.r.Done() || tr.r.Err() != nil {
		t.Fatalf("done: %v, %v", tr.r.Done(), tr.r.Err())
	}
}

func TestManyObjectsTakeLittleMemoryEach(t *testing.T) {
	// While all of them are received: the index, and nothing that only one needs at a time.
	const n = 1000
	var all []*source
	for i := range n {
		all = append(all, newTree(t, fmt.Sprintf("file %d", i), 100_000, small(proto.CodeLeopard8, 20, 20)))
	}
	h := reap(t, receiver.Config{Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) { return discard{}, nil }})
	f := newFleet(t, all...)
	for range 15 {
		for i := range all {
			h.hear(f.next(i), 1)
		}
		h.now = h.now.Add(time.Second)
		h.r.Tick(h.now)
		h.work()
	}
	if got := h.r.Totals(); got.Objects != n || got.Finished > 0 {
		t.Fatalf("%+v", got)
	}
	with := heap()
	h.transfer = nil
	each := (with - heap()) / n
	t.Logf("%d bytes an object", each)
	if each < 500 || each > 32<<10 {
		t.Errorf("an object takes %d bytes", each)
	}
	runtime.KeepAlive(f)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// discard is a store that keeps nothing.
type discard struct{}

func (discard) ReadAt(b []byte, _ int64) (int, error)  { clear(b); return len(b), nil }
func (discard) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (discard) Found() int64                           { return 0 }
func (discard) Reserve(int64) error                    { return nil }
func (discard) Sync() error                            { return nil }
func (discard) Discard() error                         { return nil }
