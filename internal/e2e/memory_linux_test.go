// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// "RAM holds an index, never the file." spec.md 7: so the memory of a receiver
// hardly depends on the size of the file, whatever is lost.
func TestTheMemoryOfAReceiverDoesNotGrowWithTheFile(t *testing.T) {
	sizes, losses := []int64{16 * mib, 256 * mib}, []int{10}
	if full {
		sizes, losses = []int64{16 * mib, 1024 * mib, 4096 * mib}, []int{0, 10}
	}
	const (
		indexBytes = 4      // of a shard
		slack      = 16     // MiB
		rate       = "600M" // what the lab carries, packet by packet
	)
	sources := make([]string, len(sizes))
	for i, size := range sizes {
		sources[i] = newFile(t, size)
	}
	for _, profile := range []string{"tiny", "standard"} {
		for _, loss := range losses {
			t.Run(fmt.Sprintf("profile=%s/loss=%d%%", profile, loss), func(t *testing.T) {
				l := newLab(t)
				sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
				receiver.lose(loss)
				var first, firstShards float64
				for i, source := range sources {
					target := newTarget(t)
					r := receiver.recv(target)
					peak := r.watchMemory()
					s := sender.send(source, "--rate", rate, "--profile", profile)
					object := r.wait("object")
					e := r.done()
					s.kill()
					wantSame(t, target, source)
					if err := os.Remove(target); err != nil {
						t.Fatal(err)
					}
					rss, shards := float64(peak())/1024, float64(e.Needed)
					t.Logf("%4d MiB in groups of %d+%d: peak RSS %.1f MiB   %.1f s, %d rebuilt, own drops %d, %.4f of the bound",
						sizes[i]/mib, object.K, object.M, rss, e.Seconds, e.Rebuilt, e.OwnDrops, e.overBound(float64(loss)/100))
					if first == 0 {
						first, firstShards = rss, shards
					}
					if most := first + indexBytes*(shards-firstShards)/mib + slack; rss > most {
						t.Errorf("peak RSS %.1f MiB, want at most %.1f", rss, most)
					}
				}
			})
		}
	}
}

// watchMemory begins to watch the memory of a process. What it returns gives the
// peak resident set in KiB when the process has ended.
func (p *process) watchMemory() (peak func() int) {
	var kib int
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ticker := time.NewTicker(10 * time.Millisecond); ; <-ticker.C {
			select {
			case <-p.exited:
				return
			default:
				kib = max(kib, highWater(p.cmd.Process.Pid))
			}
		}
	}()
	return func() int { <-ended; return kib }
}

// highWater returns VmHWM of a process in KiB, 0 if it is gone. What wait4 tells
// would not do: that counts the test itself, whose memory the new process shared
// for a moment.
func highWater(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	kib, _ := strconv.Atoi(number)
	return kib
}
