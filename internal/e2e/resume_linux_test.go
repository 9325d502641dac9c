// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"iotupd/fec"
)

// partOf names the hidden file of a target.
func partOf(target string) string {
	return filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".iotupd-part")
}

// "A receiver that starts on a partial or an older file hashes the place of each
// leaf and keeps what fits." spec.md 7.3: whenever it is killed, and whatever
// happens to the partial file then, the next run ends with the right file, and takes
// over all that the partial file proves. How much else is received again depends on
// how fast the disk is read, and is printed; package receiver tests it in virtual
// time.
func TestKilledReceiversGoOnWithWhatIsOnDisk(t *testing.T) {
	points := 3 // of every kind
	if full {
		points = 30
	}
	source := newFile(t, 2*mib)
	var total tally
	t.Cleanup(func() {
		t.Logf("%d SIGKILLs with damage: %d right", total.damaged.Load(), total.right.Load())
	})
	for _, profile := range []fec.Profile{fec.Standard, fec.Tiny} {
		for _, loss := range []int{0, 10} {
			t.Run(fmt.Sprintf("profile=%v/loss=%d%%", profile, loss), func(t *testing.T) {
				t.Parallel()
				rnd := newRand(t)
				l := newLab(t)
				sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
				receiver.lose(loss)
				sender.send(source, "--rate", "30M", "--profile", profile.String()).wait("sending")
				a := dissect(t, source, profile)
				for range points {
					k := killed{source: source, profile: profile, anatomy: a, total: &total}
					k.goOn(t, rnd, receiver)
				}
			})
		}
	}
}

// A killed receiver is one that another one takes over from.
type killed struct {
	source  string
	profile fec.Profile
	anatomy *anatomy
	total   *tally
}

// A tally counts partial files that were damaged after their receiver was killed,
// and how many of them led to the right file all the same.
type tally struct{ damaged, right atomic.Int32 }

// goOn kills a receiver, corrupts its partial file, and starts the next one.
func (k killed) goOn(t *testing.T, rnd *rand.Rand, h *host) {
	t.Helper()
	target := newTarget(t)
	r := h.recv(target)
	r.wait("found")
	share := rnd.Float64()
	r.waitFor("that share of the file, or all of it", func(e event) bool {
		return e.Type == "done" || e.Type == "progress" && float64(e.Held) >= share*float64(e.Needed)
	})
	time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Millisecond)))) // any moment after a report
	r.kill()
	if _, err := os.Stat(target); err == nil {
		t.Log("killed after the end")
		wantSame(t, target, k.source)
		return
	}
	if _, err := os.Stat(partOf(target)); err != nil {
		t.Fatal(err)
	}
	how := damage(t, rnd, partOf(target))
	if how != "nothing" {
		k.total.damaged.Add(1)
	}
	had := k.anatomy.examine(t, partOf(target))

	e := h.recv(target).done()
	wantSame(t, target, k.source)
	if how != "nothing" && sumOf(t, target) == sumOf(t, k.source) {
		k.total.right.Add(1)
	}
	needed, resumed := int(e.Needed), int(e.Resumed)
	again := had.intact() - resumed
	t.Logf("%-13s: %4d data and %4d parity shards of %d intact, %4d of them proven by %3d records, %4d in whole records; %4d resumed, %4d received again (%.2f %%); "+
		"%4d more in %.2f s, %d came too early", how, had.data, had.parity, needed, had.proven, had.records, had.whole, resumed,
		again, 100*float64(again)/float64(needed), needed-resumed, e.Collected, e.Ignored["adopting"])
	if resumed < had.proven {
		t.Errorf("%d shards were taken over, want at least the %d that the partial file proves", resumed, had.proven)
	}
}
