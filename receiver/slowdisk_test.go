// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"testing"

	"iotupd/receiver"
	"iotupd/sender"
)

// slowly lets the receiver hear a carousel until it is done. A job comes back when
// so many more datagrams have arrived. It returns how many shards were taken.
func (tr *transfer) slowly(s *sender.Sender, datagrams int) int {
	tr.t.Helper()
	type due struct {
		job *receiver.Job
		at  int
	}
	var running []due
	tr.idle = true
	for n := range 200_000 {
		tr.hear(tr.next(s), 0)
		for j := tr.r.NextJob(); j != nil; j = tr.r.NextJob() {
			running = append(running, due{j, n + datagrams})
		}
		for len(running) > 0 && (running[0].at <= n || tr.r.Busy()) { // meanwhile datagrams are in the socket's buffer
			running[0].job.Run()
			tr.r.Finish(tr.now, running[0].job)
			running = running[1:]
		}
		if tr.r.Done() {
			tr.wantFile()
			p := tr.r.Progress()
			return int(p.Held - p.Reused - p.Resumed)
		}
	}
	tr.t.Fatalf("not done: %+v", tr.r.Progress())
	return 0
}

func TestWhatAnOlderFileHasIsNotReceivedAgain(t *testing.T) {
	// "A data shard that a seed has at the same offset is copied from there."
	// spec.md 7.4: who hears a loop from its start hears the leaves of a shard
	// before the shard, and takes what has changed and nothing else, however long
	// it takes to read the older file.
	old := large(t)
	needed := int(old.geo.DataShards)
	rnd := newRand(t)
	first := rnd.IntN(needed * 98 / 100)
	var inOnePlace, allOver []int
	for i, shard := range rnd.Perm(needed - 1)[:needed/100] {
		inOnePlace = append(inOnePlace, (first+i)*1152+rnd.IntN(1152))
		allOver = append(allOver, shard*1152+rnd.IntN(1152))
	}
	for name, changed := range map[string][]int{"in one place": inOnePlace, "all over": allOver} {
		src := old.release(changed...)
		for _, wait := range []int{0, 100, 2000} {
			t.Run(fmt.Sprintf("%s/read while %d datagrams arrive", name, wait), func(t *testing.T) {
				tr := src.receive(receiver.Config{Seeds: readers(old.file)})
				if taken := tr.slowly(src.sender(sender.Config{}), wait); taken != len(changed) {
					t.Errorf("%d shards were taken, want the %d that differ", taken, len(changed))
				}
			})
		}
	}
}
