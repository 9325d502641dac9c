// SPDX-License-Identifier: GPL-2.0-or-later

// Package leak fails a package's tests if they leave goroutines behind.
package leak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// Main runs the tests and returns their exit code, for TestMain to pass to
// os.Exit: 1 if goroutines are left. One that a test waited for gets 2 s for
// the rest of its way out, which a busy host may take. Fuzzing leaves one of
// its own.
func Main(m *testing.M) (code int) {
	before := runtime.NumGoroutine()
	if code := m.Run(); code != 0 || flag.Lookup("test.fuzz").Value.String() != "" {
		return code
	}
	for range 2000 {
		if runtime.NumGoroutine() <= before {
			return 0
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "%d goroutines leaked:\n", runtime.NumGoroutine()-before)
	pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	return 1
}
