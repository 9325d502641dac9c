// SPDX-License-Identifier: GPL-2.0-or-later

package simnet_test

import (
	"fmt"
	"strings"
	"time"

	"iotupd/bench/simnet"
)

// A sender of one packet a millisecond and a receiver, without a clock.
func Example() {
	loss, err := simnet.ParseLoss("gilbert:25%,burst=2")
	if err != nil {
		panic(err)
	}
	link, err := simnet.NewLink(simnet.LinkConfig{
		Rate: 10_000_000, Loss: loss, Delay: 20 * time.Millisecond, Duplicate: 10 * simnet.Percent,
	}, simnet.Key{Seed: 1})
	if err != nil {
		panic(err)
	}
	var deliveries simnet.Queue[string]
	for i := range 8 {
		for _, at := range link.Send(time.Duration(i)*time.Millisecond, 1280) {
			deliveries.Push(at, fmt.Sprint("packet ", i))
		}
	}
	for deliveries.Len() > 0 {
		now, _ := deliveries.Next()
		fmt.Println(now, deliveries.Pop())
	}
	// Output:
	// 22.048ms packet 1
	// 23.072ms packet 2
	// 24.096ms packet 3
	// 24.096ms packet 3
	// 25.12ms packet 4
	// 26.144ms packet 5
	// 27.168ms packet 6
	// 28.192ms packet 7
}

// What was recorded in the field becomes a model, and the other way round.
func ExampleFit() {
	trace, err := simnet.ReadTrace(strings.NewReader("iotupd-trace 1\n# received lost\n120 3\n87 5\n301 1\n66 4\n140 0\n"))
	if err != nil {
		panic(err)
	}
	fmt.Println(simnet.Fit(trace)[0].Loss)
	// Output: gilbert:1.79063%,burst=3.25
}
