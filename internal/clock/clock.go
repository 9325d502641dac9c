// SPDX-License-Identifier: GPL-2.0-or-later

// Package clock waits precisely. [time.Sleep] is rounded up to a millisecond on
// Linux, which turns a paced stream of 1 Gbit/s into bursts of 90 packets;
// [Sleep] wakes some 60 µs late.
package clock

import (
	"context"
	"time"
)

// tail is the part of a wait that [Wait] leaves to [Sleep], which cannot be
// interrupted. It is longer than a runtime timer is usually late, and short
// enough that nobody notices that a cancelled wait took so long.
const tail = 2 * time.Millisecond

// Wait returns nil when d has passed, as precisely as [Sleep] does, or the
// cause of the end of ctx, at most 2 ms after that. A d of zero or less does
// not wait.
func Wait(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	if d > tail {
		timer := time.NewTimer(d - tail)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	Sleep(time.Until(end))
	return nil
}
