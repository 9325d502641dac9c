// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"math/rand/v2"
	"testing"
)

func TestMemoryForIsWhatAFileNeedsAndNoMore(t *testing.T) {
	forFile := func(limit uint64) uint64 {
		return uint64(Config{MemoryLimit: int(limit)}.receiver(nil).MemoryLimit)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		need := 1 + rnd.Uint64N(1<<(1+rnd.IntN(29)))
		limit := MemoryFor(need)
		if got := forFile(limit); got < need {
			t.Fatalf("%d bytes: a limit of %d leaves %d", need, limit, got)
		}
		if got := forFile(limit - 64); got >= need && need > 64 {
			t.Fatalf("%d bytes: %d would have been enough, not %d", need, limit-64, limit)
		}
	}
}
