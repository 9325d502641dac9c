// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/sender"
)

// A script is the input of FuzzHandle, four bytes for each packet: which datagram
// of the pool, and what happens to it; where; and by what it is changed.
const (
	asItIs      = 0 << 6
	damaged     = 1 << 6 // a byte is changed on the way
	forged      = 2 << 6 // a byte is changed, and the checksum is right
	afterAWhile = 3 << 6 // up to 16 s later
	whichMask   = 1<<6 - 1
)

// A setting is what kind of receiver it is, bit by bit.
const (
	sealedOnly = 1 << iota
	signedOnly
	foundSome // its store has bytes of an earlier run
	withSeed
	lateJobs // come back one packet later
	takeAll
	takeOnly // unless it takes all
)

// fuzzMaxSize is the largest file of FuzzHandle.
const fuzzMaxSize = 1 << 16

// A pool is what scripts choose from: small objects with and without digests,
// an empty one, manifests signed and unsigned, and forgeries that no single
// changed byte makes.
type pool struct {
	key    keys.SecretKey
	all    [2][][]byte // in the clear, and sealed
	files  map[proto.ObjectID][]byte
	before *receiver.MemStore // left by a run that received half of the first object
	seed   []byte

	inventory receiver.InventoryFunc
}

func newPool(f *testing.F) *pool {
	first := newTree(f, "a", 5*512-3, small(proto.CodeLeopard8, 3, 3))
	next := first.release(700)
	p := &pool{key: keys.Generate(), files: map[proto.ObjectID][]byte{}, seed: next.file}
	for i, s := range []*source{
		first,
		newSource(f, "b", 4*256, smallest(proto.CodeLeopard8, 4, 2)),
		next,
		newTree(f, "empty", 0, smallest(proto.CodeNone, 1, 0)),
	} {
		p.files[s.id], p.files[newKey.Object(s.id)] = s.file, s.file
		p.add(s, s.manifest(), s.signed(p.key, sequence(uint64(i))))
		if len(s.file) == 0 {
			continue
		}
		for _, shard := range s.real() {
			p.add(s, s.shard(uint32(shard[0]), shard[1]))
		}
		p.add(s, s.forgery(0, s.geo.K),
			forge(f, s.shard(0, 0), func(h *proto.Header, _ []byte) { h.Size, h.K, h.M, h.Code = 60_000, 17, 5, proto.CodeLeopard16 }))
		for n := range s.tree.Total() {
			p.add(s, s.digest(uint32(n)/uint32(s.tree.PerGroup()), int(n)%s.tree.PerGroup()))
		}
	}
	// Part of the seed, with outlines.
	outlined := prepareFile(f, "c", next.file[:5*256], smallest(proto.CodeNone, 3, 0), sender.PrepareConfig{})
	p.files[outlined.id], p.files[newKey.Object(outlined.id)] = outlined.file, outlined.file
	p.add(outlined, outlined.manifest(), outlined.shard(0, 0), outlined.shard(1, 0), outlined.digest(0, 0))
	for i := range outlined.tree.Outlines() {
		p.add(outlined, outlined.outline(uint32(i)))
	}
	if len(p.all[0]) > whichMask+1 {
		f.Fatalf("a pool of %d datagrams", len(p.all[0]))
	}
	catalogue := catalogueOf(f, nil, first)
	p.files[catalogue.id], p.files[newKey.Object(catalogue.id)] = catalogue.file, catalogue.file
	p.add(catalogue, catalogue.manifest())
	for _, shard := range catalogue.real()[:catalogue.geo.DataShards] {
		p.add(catalogue, catalogue.shard(uint32(shard[0]), shard[1]))
	}
	if len(p.all[0]) > whichMask+1 {
		f.Fatalf("a pool of %d datagrams", len(p.all[0]))
	}
	tr := first.receive(receiver.Config{})
	tr.hearFor(8, nothing, first.sender(sender.Config{}))
	tr.later(time.Second)
	p.before = tr.store()
	return p
}

func (p *pool) add(s *source, datagrams ...[]byte) {
	for _, b := range datagrams {
		p.all[0] = append(p.all[0], b)
		p.all[1] = append(p.all[1], s.seal(newKey, b))
	}
}

// A fuzzed receiver and what is known of it.
type fuzzed struct {
	t        *testing.T
	r        *receiver.Receiver
	store    *receiver.MemStore
	all      map[proto.ObjectID]*receiver.MemStore // of a receiver that takes all
	verified bool
	late     *receiver.Job
}

func (p *pool) receive(t *testing.T, setting byte) *fuzzed {
	z := &fuzzed{t: t, all: make(map[proto.ObjectID]*receiver.MemStore)}
	cfg := receiver.Config{
		MaxSize: fuzzMaxSize,
		Memory:  1 << 20,
		Workers: 1,
		Open: func(id proto.ObjectID, params proto.Params) (receiver.Store, error) {
			if params.Size > fuzzMaxSize {
				t.Fatalf("opened a store of %d bytes", params.Size)
			}
			if z.store != nil && !z.store.Discarded && setting&takeAll == 0 {
				t.Fatal("opened a second store")
			}
			z.store = receiver.NewMemStore(int(params.Size))
			if setting&foundSome != 0 {
				z.store = p.before.AgainFor(int(params.Size))
			}
			z.all[id] = z.store
			return z.store, nil
		},
		Observe: func(_ time.Time, e receiver.Event) {
			switch e := e.(type) {
			case receiver.Verified:
				z.verified = true
			case receiver.Finished:
				if !bytes.Equal(z.all[e.Object].Bytes(), p.files[e.Object]) {
					t.Errorf("finished with bytes that are not those of object %v", e.Object)
				}
				if setting&signedOnly != 0 && len(e.Manifest.Signatures) == 0 {
					t.Errorf("finished %+v, which nobody signed", e.Manifest)
				}
			}
		},
	}
	if setting&sealedOnly != 0 {
		cfg.GroupKeys = []*seal.GroupKey{oldKey, newKey}
	}
	if setting&signedOnly != 0 {
		cfg.Trust = trusting(p.key)
	}
	if setting&sealedOnly == 0 || setting&foundSome != 0 {
		cfg.Inventory = p.inventory
		cfg.InventoryFirst = func(*proto.Manifest) bool { return setting&lateJobs != 0 }
	}
	if setting&withSeed != 0 {
		cfg.Seeds = []io.ReaderAt{bytes.NewReader(p.seed)}
	}
	switch {
	case setting&takeAll != 0:
		cfg.Take = receiver.TakeAll
	case setting&takeOnly != 0:
		cfg.Take = receiver.TakeOnly
	}
	var err error
	if z.r, err = receiver.New(cfg); err != nil {
		t.Fatal(err)
	}
	return z
}

// play lets a receiver hear a script.
func (p *pool) play(z *fuzzed, setting byte, script []byte) {
	now := epoch
	all := p.all[setting&sealedOnly]
	for ; len(script) >= 4 && !z.r.Done(); script = script[4:] {
		op, at, by := script[0], int(binary.BigEndian.Uint16(script[1:])), script[3]
		b := bytes.Clone(all[int(op&whichMask)%len(all)])
		switch op &^ whichMask {
		case damaged:
			b[at%len(b)] ^= by
		case forged:
			b = raw(b, func(b []byte) { b[at%len(b)] ^= by })
		case afterAWhile:
			now = now.Add(time.Duration(by) * time.Second / 16)
			z.r.Tick(now)
		}
		if err := z.r.Handle(now, receiver.Origin{}, b); err != nil {
			if _, ok := err.(proto.Reason); !ok {
				z.t.Fatalf("Handle returned %v, want a proto.Reason", err)
			}
		}
		clear(b) // it must not be kept
		z.work(now, setting)
	}
	z.work(now, 0)
}

func (z *fuzzed) work(now time.Time, setting byte) {
	if z.late != nil {
		z.r.Finish(now, z.late)
		z.late = nil
	}
	for j := z.r.NextJob(); j != nil; j = z.r.NextJob() {
		j.Run()
		if setting&lateJobs != 0 {
			z.late = j
			return
		}
		z.r.Finish(now, j)
	}
}

func FuzzHandle(f *testing.F) {
	// For all packets and all bytes on disk: no panic, no memory beyond the
	// limits, and never success with bytes that are not the object's, nor with an
	// object that nobody signed.
	p := newPool(f)
	inOrder, backwards := []byte{}, []byte{}
	for i := range p.all[0] {
		inOrder = append(inOrder, byte(i)|asItIs, 0, 0, 0)
		backwards = append(backwards, byte(len(p.all[0])-1-i)|asItIs, 0, 0, 0)
	}
	for setting := range byte(2*takeOnly - 1) {
		f.Add(setting, inOrder)
		f.Add(setting, backwards)
	}
	f.Add(byte(lateJobs), append(bytes.Repeat(inOrder[4:], 4), inOrder...))
	f.Add(byte(0), append([]byte{1 | forged, 0, 45, 1, 2 | damaged, 0, 99, 7, 3 | afterAWhile, 0, 0, 15}, backwards...))
	f.Add(byte(signedOnly), append([]byte{13 | asItIs, 0, 0, 0, 13 | afterAWhile, 0, 0, 0}, inOrder...))

	f.Fuzz(func(t *testing.T, setting byte, script []byte) {
		z := p.receive(t, setting)
		p.play(z, setting, script)
		got := z.r.Progress()
		if setting&takeAll != 0 {
			if got.Held > got.Needed || z.r.Totals().Finished > z.r.Totals().Objects {
				t.Errorf("progress %+v, %+v", got, z.r.Totals())
			}
			return
		}
		if got.Held > got.Needed || got.Decoded > got.Groups || got.Rebuilt > got.Needed || got.Records > got.AllRecords {
			t.Errorf("progress %+v", got)
		}
		if z.verified != (z.r.Done() && z.r.Err() == nil) {
			t.Errorf("verified %v, done %v, error %v", z.verified, z.r.Done(), z.r.Err())
		}
		if !z.verified {
			return
		}
		if file, known := p.files[got.Object]; !known || !bytes.Equal(z.store.Bytes(), file) {
			t.Errorf("verified bytes that are not those of object %v", got.Object)
		}
		if m := z.r.Manifest(); setting&signedOnly != 0 && len(m.Signatures) == 0 {
			t.Errorf("received %+v, which nobody signed", m)
		}
	})
}
