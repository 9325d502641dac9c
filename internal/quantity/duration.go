// SPDX-License-Identifier: GPL-2.0-or-later

package quantity

import (
	"fmt"
	"time"
)

// Duration returns d as progress lines show it, in at most two units: 0.4 s,
// 1.3 s, 24 s, 1m30s, 2h05m, 3d07h. It rounds to the nearest of the smaller
// unit, below 10 s to a tenth; less than nothing is 0 s.
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 50*time.Millisecond:
		return "0 s"
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%v s", d.Round(100*time.Millisecond).Seconds())
	case d.Round(time.Second) < time.Minute:
		return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d.Round(time.Minute) < day:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}
