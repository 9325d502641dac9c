// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
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

// unlike counts the data shards of an object that are not in a data record all of
// whose shards an older file has: OUTLINEs do not tell of them.
func unlike(geo proto.Geometry, tree proto.Tree, differs func(i int) bool) (n int) {
	for g := range uint32(geo.Groups) {
		real := geo.RealShards(g)
		for first := 0; first < real; first += tree.Leaves {
			record, end := first/tree.Leaves, min(first+tree.Leaves, real)
			known := record < tree.DataRecords()
			for i := first; i < end; i++ {
				known = known && !differs(int(geo.Shard(g, i)))
			}
			if !known {
				n += end - first
			}
		}
	}
	return n
}

// "A receiver that starts on a partial or an older file hashes the place of each
// leaf and keeps what fits." spec.md 7.4: an image of which one shard in a hundred
// has changed is not received again. Who hears its leaves first takes what has
// changed alone, and who joins late the records around it, and what comes before
// all OUTLINEs have.
func TestWhatAnOlderFileHasIsNotReceivedAgain(t *testing.T) {
	size := int64(4 * mib)
	if full {
		size = 64 * mib
	}
	rnd := newRand(t)
	source := newFile(t, size)
	geo, tree := shapeOf(t, uint64(size))
	needed := int(geo.DataShards)
	first := rnd.IntN(needed * 98 / 100)
	scattered := make([]bool, needed)
	for i := range scattered {
		scattered[i] = rnd.IntN(100) == 0
	}
	late := 1 + rnd.IntN(99) // percent of a loop
	for _, change := range []struct {
		name   string
		differ func(i int) bool
	}{
		{"all over", func(i int) bool { return scattered[i] }},
		{"in one place", func(i int) bool { return i >= first && i < first+needed/100 }},
	} {
		differ, old := differing(t, source, change.differ)
		around := unlike(geo, tree, change.differ)
		for _, loss := range []int{0, 10} {
			for _, start := range []int{0, late} {
				t.Run(fmt.Sprintf("%s/loss=%d%%/start=%d%%", change.name, loss, start), func(t *testing.T) {
					l := newLab(t)
					sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
					receiver.lose(loss)
					target := newTarget(t)
					r := receiver.recv(target, "--reuse", old)
					sender.send(source, "--rate", "100M", "--start", fmt.Sprintf("%d%%", start))
					e := r.done()
					wantSame(t, target, source)
					received := int(e.Needed - e.Reused)
					t.Logf("%d of %d shards differ, %d with those of the same records: %d reused, %d received (%.2f %%) while %.0f were sent, %.4f of the bound without an older file",
						differ, needed, around, e.Reused, received, 100*float64(received)/float64(needed), e.shardsSent(), e.overBound(float64(loss)/100))
					most := around + (outlinesOf(tree)+1)*256*(1+loss/10) // twice, where some are lost
					if loss == 0 && start == 0 {
						most = differ + needed/1000
					}
					if received > most {
						t.Errorf("%d shards were received, want at most %d", received, most)
					}
				})
			}
		}
	}
}
