// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// mixDomain keeps the draw of a part apart from the losses: a receiver of a mix
// meets the losses that it would meet under its part alone.
const mixDomain = "loss mix"

// A part is one Loss of a mix.
type part struct {
	below uint64 // threshold of the weights up to this one
	loss  Loss
}

func parseMix(params string, open opener) (Loss, error) {
	var mix Loss
	var text []string
	var sum Probability
	mean := new(big.Rat)
	for item := range strings.SplitSeq(params, "+") {
		share, model, ok := strings.Cut(item, "*")
		if !ok {
			return Loss{}, fmt.Errorf("wants SHARE*MODEL+SHARE*MODEL, as in 80%%*bernoulli:1%%+20%%*none, not %.40q", item)
		}
		if strings.HasPrefix(model, "mix:") {
			return Loss{}, errors.New("cannot hold another mix")
		}
		weight, err := ParseProbability(share)
		if err != nil {
			return Loss{}, err
		}
		l, err := ReadLoss(model, open)
		if err != nil {
			return Loss{}, err
		}
		if weight == 0 {
			return Loss{}, fmt.Errorf("wants shares above 0, not %.40q", item)
		}
		if sum += weight; sum > Certain {
			break // before it overflows
		}
		mix.parts = append(mix.parts, part{below: sum.threshold(), loss: l})
		text = append(text, weight.String()+"*"+l.String())
		if l.mean != nil {
			mean.Add(mean, new(big.Rat).Mul(weight.ratio(), l.mean))
		}
	}
	if sum != Certain {
		return Loss{}, fmt.Errorf("wants shares that add up to 100%%, not to %v", sum)
	}
	mix.text, mix.mean = "mix:"+strings.Join(text, "+"), mean
	return mix, nil
}

// drawn returns what l is for the receiver of a key: one part of a mix.
func (l Loss) drawn(key Key) Loss {
	if l.parts == nil {
		return l
	}
	value := newSource(key, mixDomain).Uint64() >> 1
	i := 0
	for value >= l.parts[i].below {
		i++
	}
	return l.parts[i].loss
}
