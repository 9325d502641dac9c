// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
)

// releaseBy signs a catalogue as a release of "maps".
func releaseBy(key keys.SecretKey, sequence uint64) func(m *proto.Manifest) {
	return func(m *proto.Manifest) {
		m.Channel, m.Sequence, m.Component = "iotupd", sequence, "maps"
		m.Signatures = []proto.Signature{key.Sign(m)}
	}
}

func TestANewerCatalogueTakesOver(t *testing.T) {
	// The files of a set are not signed themselves: only a catalogue can say that newer ones
	// are sent.
	key := keys.Generate()
	old := newTree(t, "map.bin", 60_000, small(proto.CodeLeopard8, 20, 20))
	fresh := newTree(t, "map.bin", 50_000, small(proto.CodeLeopard8, 20, 20))
	first, second := catalogueOf(t, releaseBy(key, 7), old), catalogueOf(t, releaseBy(key, 8), fresh)
	tr := fresh.receive(receiver.Config{Trust: trusting(key), Name: func(name string) bool { return name == "map.bin" }})
	f := newFleet(t, first, old, second, fresh)
	for i := range 60 {
		tr.hear(f.next(i%2), 1)
	}
	if tr.r.Manifest() == nil || tr.r.Manifest().Sequence != 7 {
		t.Fatal("the older release is not being received")
	}
	for i := 0; i < 2000 && !tr.r.Done(); i++ {
		tr.hear(f.next(2+i%2), 1)
	}
	if !tr.r.Done() || tr.r.Manifest().Sequence != 8 || !bytes.Equal(tr.store().Bytes(), fresh.file) {
		t.Errorf("done: %v, release %d", tr.r.Done(), tr.r.Manifest().Sequence)
	}
}

func TestACatalogueIsBegunAgainAfterAPause(t *testing.T) {
	key := keys.Generate()
	files := filesOf(t, 2)
	for name, test := range map[string]struct {
		change func(m *proto.Manifest)
		trust  *receiver.Policy
	}{"signed": {releaseBy(key, 7), trusting(key)}, "unsigned": {nil, nil}} {
		t.Run(name, func(t *testing.T) {
			c := catalogueOf(t, test.change, files...)
			h := reap(t, receiver.Config{Trust: test.trust})
			h.hear(c.manifest(), 1)
			h.now = h.now.Add(100 * time.Second)
			h.r.Tick(h.now)
			f := newFleet(t, c)
			for range 60 {
				h.hear(f.next(0), 1)
			}
			if got := h.r.Totals().Objects; got != 2 {
				t.Errorf("it lists %d objects", got)
			}
		})
	}
}

func TestANewerSetReplacesAllFilesOfTheOlderOne(t *testing.T) {
	// spec.md 7.2: "Of one component and the same hardware it receives the release with the
	// highest sequence": the files of a set are one release.
	key := keys.Generate()
	older, newer := filesOf(t, 5), filesOf(t, 8)[5:]
	for i, s := range older { // large enough to be incomplete
		older[i] = newTree(t, s.object.Manifest.Name, 40_000+i, small(proto.CodeLeopard8, 20, 20))
	}
	first, second := catalogueOf(t, releaseBy(key, 7), older...), catalogueOf(t, releaseBy(key, 8), newer...)
	h := reap(t, receiver.Config{Trust: trusting(key)})
	f := newFleet(t, append([]*source{first, second}, append(older, newer...)...)...)
	for range 20 {
		h.hear(f.next(0), 1)
	}
	for i := range 20 {
		h.hear(f.next(2+i%5), 1)
	}
	if got := h.r.Totals(); got.Objects != 5 || got.Finished > 0 {
		t.Fatalf("%+v", got)
	}
	for i := 0; i < 3000 && !h.r.Done(); i++ {
		h.hear(f.next([]int{1, 7, 8, 9}[i%4]), 1)
	}
	h.wantFiles(newer...)
	if got := h.r.Totals(); !h.r.Done() || got.Objects != 3 {
		t.Errorf("done: %v, %+v", h.r.Done(), got)
	}
}
