// SPDX-License-Identifier: GPL-2.0-or-later

package model

import "fmt"

// Repeat sends every shard Times times in a row, then the next one, and so on,
// over and over, without any code. It is exact. Once is the plain loop; more is
// what is often done in place of a code. A receiver joins at the first packet
// of some shard.
type Repeat struct {
	Shards int64 // of the file
	Times  int   // 1 to 1000
}

func (r Repeat) validate() error {
	if r.Times < 1 || r.Times > 1000 {
		return fmt.Errorf("%w: every shard sent %d times: take 1 to 1000", ErrScheme, r.Times)
	}
	return validateShards(r.Shards, 1)
}

func (r Repeat) shards() int64 { return r.Shards }

func (r Repeat) curve(loss float64) curve {
	times := int64(r.Times)
	loop := r.Shards * times
	// After s = R*(L*K + j) + i packets, j of the K shards were sent R(L+1)
	// times, one RL+i times and the others RL times. The receiver is done with
	// probability
	//
	//	(1-p^(RL+R))^j (1-p^(RL+i)) (1-p^(RL))^(K-j-1)
	unfinished := func(s int64) float64 {
		loops, rest := s/loop, s%loop
		j, i := rest/times, rest%times
		missed := power(loss, times*loops)
		p := either(anyOf(missed, r.Shards-j-1), anyOf(power(loss, times*(loops+1)), j))
		return either(p, power(loss, times*loops+i))
	}
	return curve{unfinished: unfinished, loop: loop}
}
