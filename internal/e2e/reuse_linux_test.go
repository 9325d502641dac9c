// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"iotupd/proto"
)

// differing copies a file, with changes in some of its shards.
func differing(t *testing.T, path string, shards func(i int) bool) (differ int, copied string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i*proto.DefaultShardSize < len(b); i++ {
		if shards(i) {
			b[i*proto.DefaultShardSize] ^= 1
			differ++
		}
	}
	copied = filepath.Join(newDir(t), "old.bin")
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return differ, copied
}

// changes returns two ways in which one shard of a hundred may have changed.
func changes(rnd *rand.Rand, shards int) []change {
	first := rnd.IntN(shards * 98 / 100)
	scattered := make([]bool, shards)
	for i := range scattered {
		scattered[i] = rnd.IntN(100) == 0
	}
	return []change{
		{"all over", func(i int) bool { return scattered[i] }},
		{"in one place", func(i int) bool { return i >= first && i < first+shards/100 }},
	}
}

// A change says which shards of a file are others than before.
type change struct {
	name    string
	differs func(i int) bool
}

// "A data shard that a seed has at the same offset is copied from there." spec.md
// 7.4: of an image of which one shard in a hundred has changed, only these are
// received. The shards are held back until the digests have arrived, so that the
// number does not depend on how fast the older file is read. What a receiver takes
// that hears everything at once is tested in virtual time, in package receiver.
func TestWhatAnOlderFileHasIsNotReceivedAgain(t *testing.T) {
	const size = 4 * mib
	rnd := newRand(t)
	source := newFile(t, size)
	geo, _ := shapeOf(t, size)
	for i, change := range changes(rnd, int(geo.DataShards)) {
		loss := 10 * i // percent
		t.Run(fmt.Sprintf("%s/loss=%d%%", change.name, loss), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
			receiver.lose(loss)
			receiver.only(proto.TypeManifest, proto.TypeDigest, proto.TypeOutline)
			differ, old := differing(t, source, change.differs)
			target := newTarget(t)
			r := receiver.recv(target, "--reuse", old)
			sender.send(source, "--rate", "20M")
			r.waitFor("all shards that are in the older file", func(e event) bool {
				return e.Type == "progress" && e.Needed > 0 && e.Held == e.Needed-uint64(differ)
			})
			receiver.open()
			e := r.done()
			wantSame(t, target, source)
			if got := int(e.Needed - e.Reused); got != differ {
				t.Errorf("%d shards were received, want the %d that differ", got, differ)
			}
		})
	}
}

// How much is received again when shards and digests arrive together depends on
// how fast the older file is read, and is measured but not asserted.
func TestShardsReceivedBesideAnOlderFile(t *testing.T) {
	needsFull(t)
	const size = 64 * mib
	rnd := newRand(t)
	source := newFile(t, size)
	geo, _ := shapeOf(t, size)
	late := 1 + rnd.IntN(99) // percent of a loop
	for _, change := range changes(rnd, int(geo.DataShards)) {
		differ, old := differing(t, source, change.differs)
		for _, loss := range []int{0, 10} {
			for _, start := range []int{0, late} {
				l := newLab(t)
				sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
				receiver.lose(loss)
				target := newTarget(t)
				r := receiver.recv(target, "--reuse", old)
				sender.send(source, "--rate", "100M", "--start", fmt.Sprintf("%d%%", start))
				e := r.done()
				wantSame(t, target, source)
				received := e.Needed - e.Reused
				t.Logf("%-12s, loss %2d %%, start at %2d %%: %d of %d shards differ: %d reused, %d received (%.2f %%) while %.0f were sent, %.4f of the bound without an older file",
					change.name, loss, start, differ, e.Needed, e.Reused, received, 100*float64(received)/float64(e.Needed), e.shardsSent(), e.overBound(float64(loss)/100))
			}
		}
	}
}
