// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// "Memory holds an index: two bits for each shard, and which parity is where."
// spec.md 7.3: so it hardly depends on the size of the file, whatever is lost.
func TestTheMemoryOfAReceiverIsBounded(t *testing.T) {
	lossy := network{loss: 10, rate: "600M"} // what the lab carries packet by packet
	sizes, networks := []int64{16 * mib, 256 * mib}, []network{lossy}
	if full {
		sizes = []int64{16 * mib, 1024 * mib, 4096 * mib}
		networks = append(networks, network{offload: true, rate: "1G"})
	}
	sources := make([]string, len(sizes))
	for i, size := range sizes {
		sources[i] = newFile(t, size)
	}
	const (
		indexBytes = 4  // of a shard
		cache      = 4  // MiB of hash records, which small files do not fill
		decoders   = 48 // MiB, a quarter of the file at most, where there is no limit
		slack      = 16 // MiB
	)
	for _, profile := range []string{"tiny", "standard"} {
		for _, net := range networks {
			t.Run(fmt.Sprintf("profile=%s/loss=%d%%", profile, net.loss), func(t *testing.T) {
				var first, firstShards float64
				for i, source := range sources {
					e, rss := net.transfer(t, source, profile)
					t.Logf("%4d MiB in groups of %d+%d: peak RSS %.1f MiB   %.1f s, of these %.2f s after the last packet; %d rebuilt, own drops %d, %.4f of the bound",
						sizes[i]/mib, e.K, e.M, rss, e.Seconds, e.Seconds-e.Collected, e.Rebuilt, e.OwnDrops, e.overBound(float64(net.loss)/100))
					shards := float64(e.Needed)
					if i == 0 {
						first, firstShards = rss, shards
					}
					if net.loss == 0 && e.Rebuilt > 0 {
						t.Log("not compared: this host dropped packets itself, so that the receiver needed a decoder")
						continue
					}
					buffers := min(float64(sizes[i]-sizes[0])/mib/4, decoders)
					if most := first + indexBytes*(shards-firstShards)/mib + cache + buffers + slack; rss > most {
						t.Errorf("peak RSS %.1f MiB, want at most %.1f", rss, most)
					}
				}
			})
		}
	}
}

// A network is what is between a sender and a receiver.
type network struct {
	loss    int // percent
	offload bool
	rate    string
}

// transfer sends a file and returns the result and the receiver's peak resident
// set in MiB.
func (n network) transfer(t *testing.T, source, profile string) (result event, rss float64) {
	t.Helper()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	receiver.lose(n.loss)
	if n.offload {
		sender.offload()
		receiver.offload()
	}
	target := newTarget(t)
	r := receiver.recv(target)
	peak := r.watchMemory()
	s := sender.send(source, "--rate", n.rate, "--profile", profile)
	object := r.wait("object")
	result = r.done()
	result.K, result.M = object.K, object.M
	s.kill()
	wantSame(t, target, source)
	if err := os.Remove(target); err != nil { // large ones add up
		t.Error(err)
	}
	return result, float64(peak()) / 1024
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

// highWater returns VmHWM of a process in KiB, 0 if it is gone. The result of
// wait4 is not usable: it counts the test itself, whose memory the new process
// shared for a moment.
func highWater(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	kib, _ := strconv.Atoi(number)
	return kib
}

// limitedMemory puts what starts on h from now on into a control group that may
// take limit bytes, page cache and all.
func (h *host) limitedMemory(limit int) {
	h.t.Helper()
	root, file := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		root, file = "/sys/fs/cgroup", "memory.max"
		os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0)
	}
	h.cgroup = filepath.Join(root, ownName("memory"))
	if err := os.Mkdir(h.cgroup, 0o755); err != nil && !os.IsExist(err) {
		h.t.Skipf("no control group can be made: %v", err)
	}
	h.t.Cleanup(func() { // when its processes have gone
		eventually(h.t, "the control group is empty", func() bool { return os.Remove(h.cgroup) == nil })
	})
	if err := os.WriteFile(filepath.Join(h.cgroup, file), []byte(strconv.Itoa(limit)), 0); err != nil {
		h.t.Skipf("no memory controller: %v", err)
	}
}

// "It never meets the OOM killer": default flags, the file itself in memory only
// as page cache.
func TestAReceiverKeepsToTheMemoryOfItsControlGroup(t *testing.T) {
	needsNetwork(t)
	for _, limit := range []int{32 * mib, 64 * mib} {
		for _, size := range []int64{mib, 16 * mib} {
			for _, join := range []string{"first", "middle"} {
				t.Run(fmt.Sprintf("limit=%dMiB/size=%dMiB/join=%s", limit/mib, size/mib, join), func(t *testing.T) {
					l := newLab(t)
					sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
					receiver.lose(10)
					receiver.limitedMemory(limit)
					source, target := newFile(t, size), newTarget(t)
					var r, s *process
					if join == "first" {
						r = receiver.recv(target)
						s = sender.send(source, "--rate", "50M")
					} else {
						s = sender.send(source, "--rate", "50M")
						s.sendsMore(300)
						r = receiver.recv(target)
					}
					peak := r.watchMemory()
					e := r.done()
					s.kill()
					wantSame(t, target, source)
					rss := float64(peak()) / 1024
					t.Logf("peak RSS %.1f MiB, %d shards rebuilt, %d drops of its own", rss, e.Rebuilt, e.OwnDrops)
					if rss > 28 { // some 22, and what the system adds by chance
						t.Errorf("peak RSS %.1f MiB", rss)
					}
					if e.Rebuilt == 0 {
						t.Error("nothing had to be rebuilt")
					}
				})
			}
		}
	}
}
