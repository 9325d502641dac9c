// SPDX-License-Identifier: GPL-2.0-or-later

package mcasttest

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// runAndCheck runs the tests, and lets them fail if they left goroutines behind.
func runAndCheck(m *testing.M) (code int) {
	before := runtime.NumGoroutine()
	if code := m.Run(); code != 0 {
		return code
	}
	for range 100 { // those that are about to end
		if runtime.NumGoroutine() <= before {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", stacks[:runtime.Stack(stacks, true)])
	return 1
}
