// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import (
	"testing"

	"iotupd/proto"
)

// directory returns the manifests of the archive and the inventory of a directory.
func directory() (archive, inventory proto.Manifest) {
	p := proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: 700}
	archive = proto.Manifest{Name: "data.tar", Descriptor: proto.Descriptor{Params: p}}
	p.Size = 70
	archive.Inventory = proto.Descriptor{Params: p}
	inventory = proto.Manifest{Descriptor: archive.Inventory, Archive: archive.Descriptor.Object()}
	return archive, inventory
}

// "It has a carousel of its own", but "the two count as one object": spec.md 6.7.
func TestAnInventoryIsNotListedBesideItsArchive(t *testing.T) {
	m := New(nil, nil)
	archive, inventory := directory()
	for seq, of := range []*proto.Manifest{&inventory, &archive, &inventory, &archive} {
		if seq == 2 {
			continue // lost
		}
		payload, err := of.AppendPayload(nil)
		if err != nil {
			t.Fatal(err)
		}
		h := header(proto.TypeManifest)
		h.Object, h.Params, h.Path.Seq = of.Descriptor.Object(), of.Descriptor.Params, uint32(seq)
		hear(m, here, h, payload)
	}
	all := m.Listing()
	if len(m.Objects) != 2 || len(all) != 1 || all[0].ID != archive.Descriptor.Object() {
		t.Fatalf("got %d objects, and %d listed", len(m.Objects), len(all))
	}
	if i := m.InventoryOf(all[0]); i == nil || i.ID != inventory.Descriptor.Object() {
		t.Errorf("got the inventory %+v", i)
	}
	if share, _ := m.Of(all[0], epoch); share != 1 {
		t.Errorf("got a share of %v, want that both are all packets", share)
	}
	// "Receivers measure the loss of such a stream by the packets of both": spec.md 6.7.
	if got := all[0].Streams[0].Loss.Ratio(); got != 0.25 {
		t.Errorf("got a loss of %v, want one of four", got)
	}
}

// An inventory that claims an archive which has another one stays in the list.
func TestOnlyTheArchiveSaysWhichIsItsInventory(t *testing.T) {
	m := New(nil, nil)
	archive, inventory := directory()
	inventory.Descriptor.SHA256[0]++
	for _, of := range []*proto.Manifest{&inventory, &archive} {
		payload, err := of.AppendPayload(nil)
		if err != nil {
			t.Fatal(err)
		}
		h := header(proto.TypeManifest)
		h.Object, h.Params = of.Descriptor.Object(), of.Descriptor.Params
		hear(m, here, h, payload)
	}
	if n := len(m.Listing()); n != 2 {
		t.Errorf("%d objects are listed, want 2", n)
	}
}
