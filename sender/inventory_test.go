// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
)

// directoryOf are the archive and the inventory of a directory, of so many data shards, by
// headers only.
func directoryOf(number byte, archive, inventory int) []sender.Member {
	all := setOf(archive, inventory)
	a, i := &all[0].Manifest, &all[1].Manifest
	a.Name, a.Descriptor.SHA256[1] = fmt.Sprintf("data%d.tar", number), number
	i.Name, i.Descriptor.SHA256[1] = "", number
	a.Inventory, i.Archive = i.Descriptor, a.Descriptor.Object()
	return all
}

func TestOneDirectoryDoesNotSetSET(t *testing.T) {
	// "The two count as one object (6.5): a sender of one directory does not set SET": spec.md 6.7.
	members := directoryOf(0, 400, 100)
	c, number := startSet(t, sender.Config{Rate: -1}, sender.ShareSqrt, members...), numberOf(members)
	var manifests []int
	shards := make([]float64, 2)
	for range 10_000 {
		h := c.nextHeader()
		switch {
		case h.Path.Flags&proto.PathSet != 0:
			t.Fatalf("a packet has the flag SET: %+v", h)
		case h.Type == proto.TypeManifest:
			manifests = append(manifests, number(h))
		default:
			shards[number(h)]++
		}
	}
	if !slices.Equal(manifests[:2], []int{0, 1}) {
		t.Errorf("it starts with the manifests %v, want those of both", manifests[:2])
	}
	// "Its share of the rate as if it were one of the objects of a set."
	if got := shards[0] / shards[1]; math.Abs(got-2) > 0.05 {
		t.Errorf("the archive has %v times as many packets, want sqrt(400/100)", got)
	}
	if p := c.s.Progress(); p.Objects != nil {
		t.Errorf("progress of several objects: %+v", p.Objects)
	}
	c.s.Stop()
	byes := make(map[int]int)
	for !c.s.Done() {
		if h := c.nextHeader(); h.Path.Flags&proto.PathBye != 0 {
			byes[number(h)]++
		}
	}
	if byes[0] != 2 || byes[1] != 2 {
		t.Errorf("BYE in %v manifests, want two of each", byes)
	}
}

func TestADirectoryAndAFileAreASet(t *testing.T) {
	members := append(directoryOf(0, 400, 100), setOf(50)...)
	c, number := startSet(t, sender.Config{Rate: -1}, sender.ShareSize, members...), numberOf(members)
	seen := make(map[int]int)
	for range 5000 {
		h := c.nextHeader()
		if h.Path.Flags&proto.PathSet == 0 {
			t.Fatalf("a packet lacks the flag SET: %+v", h)
		}
		seen[number(h)]++
	}
	if len(seen) != 3 {
		t.Errorf("packets of objects %v, want of all three", seen)
	}
	if p := c.s.Progress(); len(p.Objects) != 2 {
		t.Errorf("progress of %d objects, want a directory and a file", len(p.Objects))
	}
}

func TestADroppedDirectoryTakesItsInventoryWithIt(t *testing.T) {
	for dropped := range 2 {
		members := append(directoryOf(0, 400, 100), setOf(50)...)
		c, number := startSet(t, sender.Config{Rate: -1}, sender.ShareSqrt, members...), numberOf(members)
		c.nextHeader()
		if !c.s.Drop(dropped) {
			t.Fatal("the file is left")
		}
		for range 1000 {
			if h := c.nextHeader(); number(h) != 2 {
				t.Fatalf("after object %d was dropped, a packet of object %d", dropped, number(h))
			}
		}
		if c.s.Drop(2) || !c.s.Done() {
			t.Error("it goes on without an object")
		}

		alone := startSet(t, sender.Config{Rate: -1}, sender.ShareSqrt, members[:2]...)
		if alone.nextHeader(); alone.s.Drop(dropped) || !alone.s.Done() {
			t.Errorf("after object %d of a directory was dropped, it goes on", dropped)
		}
	}
}

func TestADirectoryEndsWhenBothWereSentOften(t *testing.T) {
	for _, share := range []sender.Share{sender.ShareSqrt, sender.ShareSize, sender.ShareShortest} {
		members := directoryOf(0, 300, 20)
		c, number := startSet(t, sender.Config{Rate: -1, Loops: 1}, share, members...), numberOf(members)
		data := make([]int, 2)
		for !c.s.Done() {
			if h := c.nextHeader(); h.Type == proto.TypeData {
				data[number(h)]++
			}
		}
		if data[0] < 300 || data[1] < 20 {
			t.Errorf("share %d: %v data packets, want a loop of both", share, data)
		}
	}
}

func TestAnArchiveAndItsInventoryBelongTogether(t *testing.T) {
	other := directoryOf(1, 300, 20)
	for name, members := range map[string][]sender.Member{
		"archive alone":     directoryOf(0, 400, 100)[:1],
		"inventory alone":   directoryOf(0, 400, 100)[1:],
		"another inventory": {directoryOf(0, 400, 100)[0], other[1]},
		"file":              append(setOf(10), directoryOf(0, 400, 100)[1]),
	} {
		if _, err := sender.NewSet(sender.Config{}, sender.ShareSqrt, members...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	catalogue := setOf(5)[0]
	catalogue.Manifest.Name, catalogue.Manifest.Catalogue = "", 2
	if _, err := sender.NewSet(sender.Config{}, sender.ShareSqrt, append(directoryOf(0, 400, 100), catalogue)...); err == nil {
		t.Error("with a catalogue: no error")
	}
}
