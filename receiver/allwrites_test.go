// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// A file of many is handed over when nothing writes to its store any more: what is behind
// its end is cut off then, and hashes that are written later would be in the file.
func TestNoJobWritesToAFileOfManyThatIsFinished(t *testing.T) {
	src := newTree(t, "file", 3800, proto.Params{Code: proto.CodeLeopard8, K: 4, M: 60, ShardSize: 2 * proto.MinShardSize})
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		h := reap(t, receiver.Config{})
		h.idle = true
		s := src.sender(sender.Config{Rate: -1, Rand: rnd})
		var running []*receiver.Job
		for i := 0; count[receiver.Finished](h.transfer) == 0; i++ {
			if i > 10_000 {
				t.Fatalf("seed %d: not finished: %+v", seed, h.r.Totals())
			}
			if b := h.next(s); rnd.IntN(3) > 0 {
				h.hear(b, 1)
			}
			h.now = h.now.Add(time.Duration(rnd.IntN(200)) * time.Millisecond)
			h.r.Tick(h.now)
			for j := h.r.NextJob(); j != nil; j = h.r.NextJob() {
				running = append(running, j)
			}
			if len(running) == 0 || rnd.IntN(2) > 0 {
				continue
			}
			n := rnd.IntN(len(running))
			j := running[n]
			running = slices.Delete(running, n, n+1)
			j.Run()
			h.r.Finish(h.now, j)
		}
		if slices.ContainsFunc(running, (*receiver.Job).Writes) {
			t.Fatalf("seed %d: it is finished, and a job still writes to it", seed)
		}
	}
}
