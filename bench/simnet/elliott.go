// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"math/big"
)

func parseElliott(params string) (Loss, error) {
	values, err := fields(params, "p=", "r=", "h=", "k=")
	if err != nil {
		return Loss{}, err
	}
	p, err := ParseProbability(values["p="])
	if err != nil {
		return Loss{}, fmt.Errorf("p %w", err)
	}
	r, h, k := Certain-p, Probability(0), Certain
	for key, given := range map[string]*Probability{"r": &r, "h": &h, "k": &k} {
		if value, ok := values[key+"="]; ok {
			if *given, err = ParseProbability(value); err != nil {
				return Loss{}, fmt.Errorf("%s %w", key, err)
			}
		}
	}
	if p == 0 && r == 0 {
		return Loss{}, errors.New("wants p or r above 0, or no state would ever be left")
	}
	share := big.NewRat(int64(p), int64(p+r)) // of the packets that meet the bad state
	inBad, inGood := (Certain - h).ratio(), (Certain - k).ratio()
	e := elliott{
		begin: threshold(share),
		move:  [2]uint64{p.threshold(), r.threshold()},
		loss:  [2]uint64{threshold(inGood), threshold(inBad)},
	}
	mean := new(big.Rat).Sub(inBad, inGood) // inGood + share*(inBad-inGood)
	mean.Add(inGood, mean.Mul(mean, share))
	return Loss{text: fmt.Sprintf("ge:p=%v,r=%v,h=%v,k=%v", p, r, h, k), mean: mean, start: e.start}, nil
}

// An elliott is the model of Gilbert and Elliott. Its state is 0 when good and
// 1 when bad; the other fields are thresholds.
type elliott struct {
	state int
	begin uint64    // to begin in the bad state
	move  [2]uint64 // to leave a state after a packet
	loss  [2]uint64 // to lose a packet in a state
}

func (e elliott) start(s *source) process {
	if s.yes(e.begin) {
		e.state = 1
	}
	return &e
}

func (e *elliott) lost(s *source) bool {
	lost := s.yes(e.loss[e.state])
	if s.yes(e.move[e.state]) {
		e.state ^= 1
	}
	return lost
}
