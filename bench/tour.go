// SPDX-License-Identifier: GPL-2.0-or-later

package bench

// Tour returns the experiment that shows in some 10 s of two free cores what this
// is about: what a receiver waits for under rising loss, with the plain loop
// of the first iotupd, with repetition, with small and large groups, and at
// best.
func Tour() Experiment {
	schemes, err := ParseSchemes("loop,repeat:2,gf8:128+128,auto,raptorq,ideal")
	if err != nil {
		panic("bench: internal error: " + err.Error())
	}
	sweep, err := ParseSweep("loss=0,1%,5%,10%,20%,30%")
	if err != nil {
		panic("bench: internal error: " + err.Error())
	}
	return Experiment{Schemes: schemes, Sweep: sweep, Seed: 1}
}
