// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "replay the random tests of this `seed`; 0 draws one")

// newRand returns the generator of a test, and logs how to get it again.
func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestMain fails if a test leaves a goroutine behind. Fuzzing leaves one of its
// own.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for range 2000 { // one that was waited for may still be on its way out
		if runtime.NumGoroutine() <= before || flag.Lookup("test.fuzz").Value.String() != "" {
			os.Exit(code)
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "%d goroutines leaked:\n", runtime.NumGoroutine()-before)
	pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	os.Exit(1)
}
