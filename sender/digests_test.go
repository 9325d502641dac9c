// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
)

func TestEveryDigestProvesItself(t *testing.T) {
	// "it hashes the record, climbs the proof, puts the root and the file's
	// SHA-256 into a descriptor with the parameters of the header, and compares
	// with the object id." spec.md 4.5
	rnd := newRand(t)
	h := proto.NewHasher()
	for range 60 {
		p, size := randomParams(rnd)
		file := randomFile(size)
		o := prepare(t, file, p, sender.PrepareConfig{Memory: 1 + rnd.Int64N(20_000), Scratch: scratchInMemory})
		c := startObject(t, o, sender.Config{Rate: -1, Loops: 1, Start: rnd.IntN(10001)})
		tree, err := c.geo.Tree()
		if err != nil {
			t.Fatal(err)
		}
		leaves, digests := make(map[shardID]proto.Digest), uint64(0)
		all := c.rest()
		for _, p := range all {
			if p.Type != proto.TypeDigest {
				continue
			}
			digests++
			record, err := tree.ParseDigest(p.payload)
			if err != nil {
				t.Fatal(err)
			}
			d, err := tree.Descriptor(h, p.Group, p.Index, record)
			if err != nil || d.Object() != p.Object || d != o.Manifest.Descriptor {
				t.Fatalf("%+v: %s proves %+v (%v), want %+v", tree, p.id(), d, err, o.Manifest.Descriptor)
			}
			for i := 0; i < tree.Leaves && p.Index < tree.Records; i++ {
				leaves[shardID{p.Group, p.Index*tree.Leaves + i}] = record.Leaf(i)
			}
		}
		if digests != tree.Total() {
			t.Errorf("%+v: %d digests in a loop, want %d", tree, digests, tree.Total())
		}
		for _, p := range shards(all) {
			if got, want := leaves[p.shard()], h.Leaf(p.payload); got != want {
				t.Fatalf("%+v: the leaf of %s is %x, want %x", tree, p.id(), got, want)
			}
		}
	}
}

func TestAnEmptyFileHasATree(t *testing.T) {
	// "An empty object is complete with one DIGEST." spec.md 4.5
	o := prepare(t, nil, smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{})
	geo := geometry(t, o)
	tree, err := geo.Tree()
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Digests.AppendDigest(nil, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	record, err := tree.ParseDigest(b)
	if err != nil {
		t.Fatal(err)
	}
	h := proto.NewHasher()
	if got, err := tree.Descriptor(h, 0, 0, record); err != nil || got != o.Manifest.Descriptor {
		t.Errorf("the only digest proves %+v (%v), want %+v", got, err, o.Manifest.Descriptor)
	}
	if got, want := record.Leaf(0), h.Leaf(make([]byte, geo.ShardSize)); got != want {
		t.Errorf("leaf %x, want %x, that of zeros", got, want)
	}
}

// kept prepares a file and returns its object with what is kept of it.
func kept(t *testing.T, file []byte, p proto.Params) (*sender.Object, *scratch) {
	t.Helper()
	p.Size = uint64(len(file))
	geo, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	n, err := sender.PrepareConfig{}.KeepBytes(geo)
	if err != nil {
		t.Fatal(err)
	}
	keep := &scratch{b: make([]byte, n)}
	return prepare(t, file, p, sender.PrepareConfig{Keep: keep}), keep
}

func TestRestoreGivesTheSameObject(t *testing.T) {
	// "Restore returns the object that Prepare made"
	rnd := newRand(t)
	for range 40 {
		p, size := randomParams(rnd)
		file := randomFile(size)
		want, keep := kept(t, file, p)
		for _, memory := range []int64{0, 1, 1 + rnd.Int64N(20_000)} {
			cfg := sender.PrepareConfig{Memory: memory, Keep: keep}
			got, err := sender.Restore(t.Context(), bytes.NewReader(file), want.Manifest.Descriptor, cfg)
			if err != nil {
				t.Fatal(err)
			}
			wantSameObject(t, got, want, rnd)
			wantSameObject(t, prepare(t, file, p, cfg), want, rnd) // reads what it keeps
		}
	}
}

// wantWholeObject fails unless two objects give the same shards and digests: all of
// them, in the order of a carousel.
func wantWholeObject(t *testing.T, got, want *sender.Object) {
	t.Helper()
	geo := geometry(t, want)
	tree, err := geo.Tree()
	if err != nil {
		t.Fatal(err)
	}
	for index := range geo.K + geo.M {
		for group := range uint32(geo.Groups) {
			if index < geo.K && geo.Virtual(group, index) {
				continue
			}
			a, err1 := got.Shards.AppendShard(nil, group, index)
			b, err2 := want.Shards.AppendShard(nil, group, index)
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
				t.Fatalf("%+v: shard %d of group %d differs, %v", geo.Params, index, group, err)
			}
		}
	}
	for index := range tree.PerGroup() {
		for group := range uint32(geo.Groups) {
			a, err1 := got.Digests.AppendDigest(nil, group, index)
			b, err2 := want.Digests.AppendDigest(nil, group, index)
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
				t.Fatalf("%+v: record %d of group %d differs, %v", geo.Params, index, group, err)
			}
		}
	}
}

func TestRestoreFindsAnyDamage(t *testing.T) {
	// "nodes of the hash tree, which must give the root in d"; "the object
	// compares every record and every parity shard with the tree when it reads
	// them. Damaged ones are computed again"
	rnd := newRand(t)
	refused, repaired := 0, 0
	for range 400 {
		p, size := randomParams(rnd)
		file := randomFile(size)
		o, keep := kept(t, file, p)
		whole := bytes.Clone(keep.b)
		d := o.Manifest.Descriptor
		cut, forged := false, false
		switch rnd.IntN(6) {
		case 0:
			keep.b = keep.b[:rnd.IntN(len(keep.b))]
			cut = true
		case 1:
			d.Root[rnd.IntN(len(d.Root))] ^= 1 << rnd.IntN(8)
			forged = true
		default:
			for range 1 + rnd.IntN(3) {
				keep.b[rnd.IntN(len(keep.b))] ^= 1 << rnd.IntN(8)
			}
		}
		groups := map[uint32]error{}
		cfg := sender.PrepareConfig{Memory: rnd.Int64N(2), Keep: keep, Repaired: func(group uint32, err error) error { groups[group] = err; return err }}
		got, err := sender.Restore(t.Context(), bytes.NewReader(file), d, cfg)
		switch {
		case err != nil && cut || errors.Is(err, sender.ErrNotKept):
			refused++
			continue
		case err != nil || forged:
			t.Fatalf("%+v: restored, %v", d, err)
		}
		wantWholeObject(t, got, o)
		tree, err := geometry(t, o).Tree()
		if err != nil {
			t.Fatal(err)
		}
		// Nodes are not repaired: they are found wrong at the start.
		if n := len(whole) - int(tree.Total())*proto.DigestLen; !bytes.Equal(keep.b[:n], whole[:n]) {
			t.Fatalf("%+v: what is kept is not what it was", d)
		}
		for group, err := range groups {
			if err != nil {
				t.Errorf("%+v: group %d: %v", d, group, err)
			}
			repaired++
		}
	}
	if refused == 0 || repaired == 0 {
		t.Errorf("%d refused and %d groups repaired, want some of each", refused, repaired)
	}
}

func TestDamageIsFoundWheneverItHappens(t *testing.T) {
	// "compares every record and every parity shard with the tree when it reads
	// them"
	rnd := newRand(t)
	for range 40 {
		p, size := randomParams(rnd)
		file := randomFile(size)
		want, keep := kept(t, file, p)
		o, err := sender.Restore(t.Context(), bytes.NewReader(file), want.Manifest.Descriptor, sender.PrepareConfig{Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			wantSameObject(t, o, want, rnd)
			for range 20 {
				keep.b[rnd.IntN(len(keep.b))] ^= 1 << rnd.IntN(8)
			}
		}
	}
}

func TestWhatTheFileDoesNotGiveIsRefused(t *testing.T) {
	// "If src does not give it, the error wraps ErrNotKept."
	file := randomFile(20_000)
	want, keep := kept(t, file, smallest(proto.CodeLeopard8, 10, 5))
	d := want.Manifest.Descriptor
	for name, ask := range map[string]func(o *sender.Object) ([]byte, error){
		"parity": func(o *sender.Object) ([]byte, error) { return o.Shards.AppendShard([]byte("x"), 0, d.K) },
		"record": func(o *sender.Object) ([]byte, error) { return o.Digests.AppendDigest([]byte("x"), 0, 0) },
	} {
		damaged := &scratch{b: bytes.Clone(keep.b)}
		for i := range damaged.b[:len(damaged.b)-1000] { // all but some nodes
			damaged.b[i] ^= 1
		}
		tree, err := geometry(t, want).Tree()
		if err != nil {
			t.Fatal(err)
		}
		nodes := len(keep.b) - int(tree.Total())*proto.DigestLen
		copy(damaged.b[nodes:], keep.b[nodes:])
		var reported error
		cfg := sender.PrepareConfig{Keep: damaged, Repaired: func(_ uint32, err error) error { reported = err; return err }}
		o, err := sender.Restore(t.Context(), bytes.NewReader(append([]byte("other"), file[5:]...)), d, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := ask(o); !errors.Is(err, sender.ErrNotKept) || !errors.Is(reported, sender.ErrNotKept) || string(b) != "x" {
			t.Errorf("%s: %d bytes, %v and reported %v, want %v", name, len(b), err, reported, sender.ErrNotKept)
		}
	}
}

func TestRestoreReadsWhatHasNoNodes(t *testing.T) {
	// "or if those are missing or damaged the records"
	file := randomFile(20_000)
	want, keep := kept(t, file, smallest(proto.CodeLeopard8, 10, 5))
	tree, err := geometry(t, want).Tree()
	if err != nil {
		t.Fatal(err)
	}
	keep.b = keep.b[:len(keep.b)-int(tree.Total())*proto.DigestLen]
	o, err := sender.Restore(t.Context(), bytes.NewReader(file), want.Manifest.Descriptor, sender.PrepareConfig{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	wantWholeObject(t, o, want)
}

func TestRestoreFails(t *testing.T) {
	errBroken := errors.New("broken")
	file := randomFile(5000)
	o, keep := kept(t, file, smallest(proto.CodeLeopard8, 5, 5))
	d := o.Manifest.Descriptor
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errBroken)
	if _, err := sender.Restore(stopped, bytes.NewReader(file), d, sender.PrepareConfig{Keep: keep}); err != errBroken {
		t.Errorf("stopped: got %v, want %v", err, errBroken)
	}
	keep.readErr = errBroken
	if _, err := sender.Restore(t.Context(), bytes.NewReader(file), d, sender.PrepareConfig{Keep: keep}); !errors.Is(err, errBroken) {
		t.Errorf("unreadable: got %v, want %v", err, errBroken)
	}
	d.K = 0
	if _, err := sender.Restore(t.Context(), bytes.NewReader(file), d, sender.PrepareConfig{Keep: keep}); !errors.Is(err, proto.ErrParams) {
		t.Errorf("invalid parameters: got %v, want %v", err, proto.ErrParams)
	}
}

func TestDigestsOfAFailingScratchStopTheSender(t *testing.T) {
	errGone := errors.New("medium removed")
	_, keep := kept(t, randomFile(50_000), smallest(proto.CodeLeopard8, 100, 20))
	o := prepare(t, randomFile(50_000), smallest(proto.CodeLeopard8, 100, 20), sender.PrepareConfig{Memory: 1, Keep: keep})
	keep.readErr = errGone
	for range 2 {
		if b, err := o.Digests.AppendDigest([]byte("x"), 0, 1); !errors.Is(err, errGone) || string(b) != "x" {
			t.Errorf("%d bytes, %v, want %v", len(b), err, errGone)
		}
	}
	keep.readErr = nil
	wantSameObject(t, o, prepare(t, randomFile(50_000), smallest(proto.CodeLeopard8, 100, 20), sender.PrepareConfig{}), rand.New(rand.NewPCG(1, 2)))
}
