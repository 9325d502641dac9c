// SPDX-License-Identifier: GPL-2.0-or-later

package clock

import (
	"slices"
	"testing"
	"time"
)

func TestSleepLastsAtLeastAsLongAsAsked(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, 1, time.Microsecond, 100 * time.Microsecond, 5 * time.Millisecond} {
		start := time.Now()
		Sleep(d)
		if got := time.Since(start); got < d {
			t.Errorf("Sleep(%v) took %v", d, got)
		}
	}
}

func TestSleepAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(20, func() { Sleep(time.Microsecond) }); n != 0 {
		t.Errorf("Sleep allocates %v times, want 0", n)
	}
}

// BenchmarkLateness follows a schedule, as the pacing loop does, and reports how
// late it woke.
func BenchmarkLateness(b *testing.B) {
	defer Claim()()
	for name, sleep := range map[string]func(time.Duration){"Sleep": Sleep, "time.Sleep": time.Sleep} {
		for _, period := range []time.Duration{100 * time.Microsecond, time.Millisecond} {
			b.Run(name+"/period="+period.String(), func(b *testing.B) {
				late := make([]time.Duration, 0, 1<<16)
				due := time.Now()
				for b.Loop() {
					due = due.Add(period)
					sleep(time.Until(due))
					now := time.Now()
					late = append(late, now.Sub(due))
					if now.After(due) {
						due = now // measure every wake-up alone
					}
				}
				slices.Sort(late)
				b.ReportMetric(float64(late[len(late)/2].Microseconds()), "p50-µs-late")
				b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "p99-µs-late")
			})
		}
	}
}
