// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"maps"
	"slices"
	"testing"

	"iotupd/receiver"
	"iotupd/sender"
)

func TestGroupsAreInNoOtherStateThanTheTableAllows(t *testing.T) {
	// "A status is all that decides what may be done with a group." Whatever is
	// lost, forged, found on disk or given as a seed, and whenever jobs come back.
	rnd := newRand(t)
	seen := map[string]bool{}
	for range 60 {
		src := randomTree(t, rnd)
		var old *receiver.MemStore
		for range 2 {
			cfg := receiver.Config{Workers: 1 + rnd.IntN(4), LeafMemory: 1 + rnd.IntN(2000)}
			if rnd.IntN(2) > 0 {
				cfg.Seeds = readers(src.file[:rnd.IntN(len(src.file))])
			}
			tr := src.receive(cfg)
			if old != nil {
				tr = src.resume(old, cfg)
			}
			tr.beside = rnd
			a := &attacker{rnd: rnd, src: src, data: rnd.IntN(60), parity: rnd.IntN(60), digests: rnd.IntN(101)}
			lost, s := percent(rnd.Uint64N(40), rnd.Uint64()), src.sender(sender.Config{Rate: -1, Start: rnd.IntN(10000)})
			tr.hear(src.manifest(), 0)
			for range 1 + rnd.IntN(200) {
				for _, b := range append(a.forgeries(), tr.next(s)) {
					if lost() || tr.r.Done() {
						continue
					}
					tr.hear(b, 0)
					if err := receiver.CheckGroups(tr.r, seen); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(tr.stores) == 0 {
				continue // the job that opens one has not ended
			}
			old = tr.killed()
			damage(rnd, old)
		}
	}
	all := slices.Sorted(maps.Keys(seen))
	t.Logf("%d kinds of groups: %q", len(all), all)
	for _, want := range []string{
		"untouched, unchecked", "untouched, unchecked, scanning", "receiving, unchecked", "receiving, unchecked, scanning",
		"receiving, checkQueued", "receiving, checking", "receiving, unchecked, verified only", "full, unchecked",
		"decoding, unchecked", "complete, unchecked", "complete, checking", "complete, unchecked, verified only",
	} {
		if !seen[want] {
			t.Errorf("no group was ever %s", want)
		}
	}
}
