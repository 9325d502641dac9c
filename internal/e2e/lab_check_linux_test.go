// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"math"
	"testing"
)

// The other tests are worth what this one holds: that the lab loses single
// packets, independently, and no others.
func TestTheLabLosesSinglePackets(t *testing.T) {
	const loss = 20 // percent
	l := newLab(t)
	sender, lossless, lossy := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	lossy.lose(loss)
	s := sender.send(newFile(t, 4*mib), "--rate", "50M", "--loops", "1")
	sent := s.wait("stopped").Packets
	s.wantExit(0, "")

	all, some := lossless.count(), lossy.count()
	t.Logf("%d packets sent; seen %d of %.1f bytes; at the lossy host seen %d, lost %d, %.2f %%", sent, all.seen.Packets,
		float64(all.seen.Bytes)/float64(all.seen.Packets), some.seen.Packets, some.lost.Packets,
		100*float64(some.lost.Packets)/float64(some.seen.Packets))
	if all.seen.Packets != sent || some.seen.Packets != sent || all.lost.Packets != 0 {
		t.Errorf("seen %d and %d packets, want %d at both hosts", all.seen.Packets, some.seen.Packets, sent)
	}
	const p = loss / 100.0
	want, sigma := p*float64(sent), math.Sqrt(p*(1-p)*float64(sent))
	if got := float64(some.lost.Packets); math.Abs(got-want) > 5*sigma {
		t.Errorf("lost %.0f packets, want %.0f±%.0f", got, want, 5*sigma)
	}
}
