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

// "A receiver that starts on a partial or an older file hashes the place of each
// leaf and keeps what fits." spec.md 7.3: an image of which one shard in a hundred
// has changed is not received again by those who hear its leaves first. The leaves
// travel with the rows, so that nobody is done sooner for it, and who joins late
// may have received a shard before its leaf tells that it was there.
func TestWhatAnOlderFileHasIsNotReceivedAgain(t *testing.T) {
	size := int64(4 * mib)
	if full {
		size = 64 * mib
	}
	rnd := newRand(t)
	source := newFile(t, size)
	differ, old := differing(t, source, func(int) bool { return rnd.IntN(100) == 0 })
	starts := []int{0, rnd.IntN(100)} // percent of a loop
	for _, loss := range []int{0, 10} {
		for _, start := range starts {
			t.Run(fmt.Sprintf("loss=%d%%/start=%d%%", loss, start), func(t *testing.T) {
				l := newLab(t)
				sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
				receiver.lose(loss)
				target := newTarget(t)
				r := receiver.recv(target, "--reuse", old)
				sender.send(source, "--rate", "100M", "--start", fmt.Sprintf("%d%%", start))
				e := r.done()
				wantSame(t, target, source)
				received := int(e.Needed - e.Reused)
				t.Logf("%d of %d shards differ: %d reused, %d received (%.2f %%) while %.0f were sent, %.4f of the bound without an older file",
					differ, e.Needed, e.Reused, received, 100*float64(received)/float64(e.Needed), e.shardsSent(), e.overBound(float64(loss)/100))
				if most := differ + int(e.Needed)/1000; loss == 0 && start == 0 && received > most {
					t.Errorf("%d shards were received, want at most %d", received, most)
				}
			})
		}
	}
}
