// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math/big"
	"strconv"
)

func parsePeriodic(params string) (Loss, error) {
	const longest = 1_000_000_000
	n, err := strconv.ParseUint(params, 10, 64)
	if err != nil || n < 1 || n > longest {
		return Loss{}, fmt.Errorf("wants a number of packets from 1 to %d, as in 20, not %.40q", longest, params)
	}
	return Loss{text: fmt.Sprintf("periodic:%d", n), mean: big.NewRat(1, int64(n)), start: periodic{period: n}.start}, nil
}

// A periodic loses the packet after left others, then every period-th.
type periodic struct{ period, left uint64 }

func (p periodic) start(s *source) process {
	p.left = s.below(p.period)
	return &p
}

func (p *periodic) lost(*source) bool {
	if p.left == 0 {
		p.left = p.period - 1
		return true
	}
	p.left--
	return false
}
