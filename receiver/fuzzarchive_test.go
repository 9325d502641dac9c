// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// newArchivePool has an archive, its inventory, another archive with the same one, and
// forgeries.
func newArchivePool(f *testing.F) *pool {
	a := newArchived(f, newTree, 6*512-3, small(proto.CodeLeopard8, 3, 3))
	a.inventory = prepareFile(f, "", bytes.Repeat([]byte("list"), 200), small(proto.CodeLeopard8, 2, 2), sender.PrepareConfig{})
	other := newTree(f, "other.tar", 3*512, small(proto.CodeLeopard8, 3, 3))
	p := &pool{key: keys.Generate(), files: map[proto.ObjectID][]byte{}, seed: a.archive.file}
	for _, s := range []*source{a.archive, other} {
		s.object.Manifest.Inventory = a.inventory.object.Manifest.Descriptor
	}
	a.inventory.object.Manifest.Archive = a.archive.id
	for i, s := range []*source{a.archive, a.inventory, other} {
		p.files[s.id], p.files[newKey.Object(s.id)] = s.file, s.file
		p.add(s, s.manifest())
		if s != a.inventory {
			p.add(s, s.signed(p.key, sequence(uint64(i))))
		}
		for _, shard := range s.real() {
			p.add(s, s.shard(uint32(shard[0]), shard[1]))
		}
		p.add(s, s.forgery(0, s.geo.K))
		for n := range s.tree.Total() {
			p.add(s, s.digest(uint32(n)/uint32(s.tree.PerGroup()), int(n)%s.tree.PerGroup()))
		}
	}
	if len(p.all[0]) > whichMask+1 {
		f.Fatalf("a pool of %d datagrams", len(p.all[0]))
	}
	tr := a.archive.receive(receiver.Config{})
	tr.hearFor(5, nothing, a.archive.sender(sender.Config{}))
	tr.later(time.Second)
	p.before = tr.store()
	wrong := bytes.Clone(a.archive.file)
	wrong[700] ^= 1
	p.inventory = func(m *proto.Manifest, content []byte) (io.ReaderAt, error) {
		if !bytes.Equal(content, a.inventory.file) {
			f.Error("the inventory has other bytes")
		}
		if m.Name == "other.tar" {
			return nil, nil
		}
		return patchy{wrong, func(at int64) bool { return at/512 == 2 }}, nil
	}
	return p
}

// FuzzArchive is FuzzHandle of archives with their inventories, and of a seed that is wrong in
// one place.
func FuzzArchive(f *testing.F) {
	p := newArchivePool(f)
	inOrder, backwards := []byte{}, []byte{}
	for i := range p.all[0] {
		inOrder = append(inOrder, byte(i)|asItIs, 0, 0, 0)
		backwards = append(backwards, byte(len(p.all[0])-1-i)|asItIs, 0, 0, 0)
	}
	for setting := range byte(2*takeOnly - 1) {
		f.Add(setting, inOrder)
		f.Add(setting, append(backwards, inOrder...))
	}
	f.Fuzz(func(t *testing.T, setting byte, script []byte) {
		z := p.receive(t, setting)
		p.play(z, setting, script)
		got := z.r.Progress()
		if got.Held > got.Needed {
			t.Errorf("progress %+v", got)
		}
		if setting&takeAll != 0 {
			return
		}
		if z.verified != (z.r.Done() && z.r.Err() == nil) {
			t.Errorf("verified %v, done %v, error %v", z.verified, z.r.Done(), z.r.Err())
		}
		if z.verified && !bytes.Equal(z.store.Bytes(), p.files[got.Object]) {
			t.Errorf("verified bytes that are not those of object %v", got.Object)
		}
	})
}
