// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math/big"
)

func parseBernoulli(params string) (Loss, error) {
	p, err := ParseProbability(params)
	if err != nil {
		return Loss{}, err
	}
	t := p.threshold()
	c := chain{next: t, afterReceived: t, afterLost: t}
	return Loss{text: "bernoulli:" + p.String(), mean: p.ratio(), start: c.start}, nil
}

func parseGilbert(params string) (Loss, error) {
	const longest = 1_000_000_000
	values, err := fields(params, "", "burst=")
	if err != nil {
		return Loss{}, err
	}
	p, err := ParseProbability(values[""])
	if err != nil {
		return Loss{}, err
	}
	one, burst := big.NewRat(1, 1), parseDecimal(values["burst="])
	if burst == nil || burst.Cmp(one) < 0 || burst.Cmp(big.NewRat(longest, 1)) > 0 {
		return Loss{}, fmt.Errorf("wants the mean length of a burst from 1 to %d, as in 10%%,burst=5, not %.40q", longest, values["burst="])
	}
	// Of the packets, 1-p are received; p/burst are the first ones of a burst, so
	// they follow a received one.
	received := new(big.Rat).Sub(one, p.ratio())
	begins := new(big.Rat).Quo(p.ratio(), burst)
	if begins.Cmp(received) > 0 {
		most := new(big.Rat).Quo(burst, new(big.Rat).Add(burst, one))
		return Loss{}, fmt.Errorf("wants a longer burst or less loss: bursts of %s lose at most %s%%, "+
			"with one packet received between two", values["burst="], most.Mul(most, big.NewRat(100, 1)).FloatString(2))
	}
	c := chain{
		next:          p.threshold(),
		afterReceived: threshold(begins.Quo(begins, received)),
		afterLost:     threshold(new(big.Rat).Sub(one, new(big.Rat).Inv(burst))),
	}
	text := "gilbert:" + p.String() + ",burst=" + trimZeros(burst.FloatString(40))
	return Loss{text: text, mean: p.ratio(), start: c.start}, nil
}

// A chain loses a packet with a probability that depends on what became of the
// packet before: Bernoulli if it does not, else Gilbert. Its fields are
// thresholds.
type chain struct{ next, afterReceived, afterLost uint64 }

func (c chain) start(*source) process { return &c }

func (c *chain) lost(s *source) bool {
	if s.yes(c.next) {
		c.next = c.afterLost
		return true
	}
	c.next = c.afterReceived
	return false
}
