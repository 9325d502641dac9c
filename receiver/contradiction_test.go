// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"errors"
	"testing"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// lies are the shards and digests of an object whose parity is nothing but
// zeros: every shard is what its leaf says, and no code makes such parity.
type lies struct {
	sender.Shards
	src     *source
	records [][]byte // of the only group
	nodes   *proto.Nodes
}

// lie makes of an honest source with one group one that contradicts itself.
func lie(t *testing.T, honest *source) *source {
	t.Helper()
	tree, h := honest.tree, proto.NewHasher()
	if tree.Groups != 1 {
		t.Fatalf("%d groups", tree.Groups)
	}
	memory := make([]byte, tree.PerGroup()*tree.RecordLen())
	for i := range honest.geo.K + honest.geo.M {
		shard := make([]byte, honest.geo.ShardSize)
		if i < honest.geo.K {
			copy(shard, honest.file[i*len(shard):])
		}
		leaf := h.Leaf(shard)
		copy(memory[i*proto.DigestLen:], leaf[:])
	}
	l := &lies{Shards: honest.object.Shards, src: honest}
	var nodes []proto.Digest
	for i := range tree.PerGroup() {
		l.records = append(l.records, memory[i*tree.RecordLen():][:tree.RecordLen()])
	}
	code, err := fec.NewRecords(tree)
	if err == nil {
		err = code.Encode(l.records)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range l.records {
		nodes = append(nodes, h.Record(record))
	}
	l.nodes = proto.NewNodes(tree, nodes)
	s := *honest
	s.object = &sender.Object{Manifest: honest.object.Manifest, Shards: l, Digests: l}
	s.object.Manifest.Descriptor.Root = l.nodes.Root()
	s.id = s.object.Manifest.Descriptor.Object()
	return &s
}

// AppendShard implements [sender.Shards].
func (l *lies) AppendShard(b []byte, g uint32, index int) ([]byte, error) {
	if index < l.src.geo.K {
		return l.Shards.AppendShard(b, g, index)
	}
	return append(b, make([]byte, l.src.geo.ShardSize)...), nil
}

// AppendDigest implements [sender.Digests].
func (l *lies) AppendDigest(b []byte, _ uint32, index int) ([]byte, error) {
	r := proto.DigestRecord{
		SHA256: l.src.object.Manifest.Descriptor.SHA256,
		Proof:  l.nodes.AppendProof(nil, uint64(index)),
		Record: l.records[index],
	}
	return r.AppendTo(b, l.src.geo.ShardSize), nil
}

// AppendOutline implements [sender.Digests].
func (l *lies) AppendOutline(b []byte, number uint32) ([]byte, error) {
	o := l.nodes.AppendOutline(proto.Outline{SHA256: l.src.object.Manifest.Descriptor.SHA256}, l.src.tree, number)
	return o.AppendTo(b, l.src.geo.ShardSize), nil
}

func TestAnObjectThatContradictsItselfIsAnError(t *testing.T) {
	// "If there are no provisional shards, the object can never be received,
	// which is an error" spec.md 7.3
	src := lie(t, fourRecords(t, 8*256))
	failed := 0
	for start := range 10 {
		tr := src.receive(receiver.Config{})
		tr.hearAll(src.manifest())
		s := src.sender(sender.Config{Start: 1000 * start})
		lost := percent(30, uint64(start))
		for !tr.r.Done() {
			if b := tr.next(s); !lost() {
				tr.hear(b, 0)
			}
		}
		if p := tr.r.Progress(); p.Rebuilt == 0 {
			tr.wantFile() // all data arrived
			continue
		}
		failed++
		if !errors.Is(tr.r.Err(), receiver.ErrIntegrity) || count[receiver.Verified](tr) > 0 {
			t.Errorf("from %d %%: error %v, want %v", 10*start, tr.r.Err(), receiver.ErrIntegrity)
		}
	}
	if failed == 0 {
		t.Error("no group was ever decoded")
	}
}

func TestAHashThatWasOvertakenSaysNothing(t *testing.T) {
	// "A hash counts only if no shard was found forged while it was computed."
	// spec.md 7.3
	src := fourRecords(t, 8*256)
	tr := src.receive(receiver.Config{})
	tr.idle = true
	tr.hearAll(src.manifest(), src.forgery(0, 0))
	for i := 1; i < 8; i++ {
		tr.hearAll(src.shard(0, i))
	}
	hash := tr.job()
	hash.Run() // it is wrong
	tr.hearAll(src.digest(0, 0))
	check := tr.job()
	check.Run()
	tr.r.Finish(tr.now, check)
	tr.wantForged(1)
	for i := range 8 {
		tr.hear(src.shard(0, i), 0)
	}
	if j := tr.job(); j != nil {
		t.Error("hashes twice at a time")
	}
	tr.r.Finish(tr.now, hash)
	if count[receiver.Corrupt](tr) > 0 || tr.r.Done() {
		t.Errorf("done %v, error %v, events %+v", tr.r.Done(), tr.r.Err(), tr.events)
	}
	tr.idle = false
	tr.work()
	tr.wantFile()
}
