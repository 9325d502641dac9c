// SPDX-License-Identifier: GPL-2.0-or-later

package clock

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestClaimIsUndoneByRelease(t *testing.T) {
	read := func() unix.SchedAttr {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Skipf("the scheduling of a thread cannot be read here: %v", err)
		}
		return *a
	}
	done := make(chan struct{})
	go func() { // a thread of its own
		defer close(done)
		before := read()
		release := Claim()
		if claimed := read(); claimed.Policy != unix.SCHED_RR && claimed.Runtime > shortSlice {
			t.Errorf("claimed: policy %d with slices of %d ns, want real time or short slices", claimed.Policy, claimed.Runtime)
		}
		release()
		if after := read(); after.Policy != before.Policy || after.Nice != before.Nice {
			t.Errorf("released: policy %d nice %d, want %d and %d", after.Policy, after.Nice, before.Policy, before.Nice)
		}
	}()
	<-done
}
