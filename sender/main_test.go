// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"iotupd/internal/leak"
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

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }
