// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"fmt"
	"testing"
)

// BenchmarkSim measures how many packets a second one goroutine can deliver or
// lose.
func BenchmarkSim(b *testing.B) {
	for _, receivers := range []int{1, 32} {
		for _, scheme := range []string{"auto", "gf8:128+128", "loop", "ideal"} {
			b.Run(fmt.Sprintf("scheme=%s/receivers=%d", scheme, receivers), func(b *testing.B) {
				e := Experiment{
					Size: 4 << 20, Schemes: mustSchemes(b, scheme), Loss: mustLoss(b, "bernoulli:10%"),
					Receivers: receivers, Join: JoinStart, Parallel: 1,
				}
				var packets float64
				for b.Loop() {
					r := runOne(b, e)
					packets += r.Sent.Mean.Value * float64(e.Size) / 1152 / (1 - r.P) * float64(receivers)
				}
				b.ReportMetric(packets/b.Elapsed().Seconds(), "packets/s")
			})
		}
	}
}

func TestSimDoesNotAllocateByPacket(t *testing.T) {
	e := Experiment{
		Size: 4 << 20, Schemes: mustSchemes(t, "auto"), Loss: mustLoss(t, "bernoulli:10%"),
		Receivers: 1, Join: JoinStart, Parallel: 1,
	}
	const packets = 4 << 20 / 1152
	if got := testing.AllocsPerRun(1, func() { runOne(t, e) }); got > packets/2 {
		t.Errorf("%v allocations for more than %d packets", got, packets)
	}
}
