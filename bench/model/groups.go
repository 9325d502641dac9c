// SPDX-License-Identifier: GPL-2.0-or-later

package model

import (
	"fmt"

	"iotupd/bench/stats"
)

// Groups is the scheme of this program: groups of K data and M parity shards,
// any K of which restore the group, sent row by row over all groups (spec.md
// 6.1). It is exact. Without parity it is a plain loop; so is [Repeat].
type Groups struct {
	K, M  int   // shards of a group: K from 1 to 65535, M from 0
	Count int64 // groups of the file
}

func (g Groups) validate() error {
	if g.K < 1 || g.K > 65535 || g.M < 0 || g.M > 65535 {
		return fmt.Errorf("%w: groups of %d+%d shards: take 1 to 65535 and 0 to 65535", ErrScheme, g.K, g.M)
	}
	return validateShards(g.Count, int64(g.K))
}

// validateShards checks a file of count groups of k shards, k > 0.
func validateShards(count, k int64) error {
	if count < 1 || count > MaxShards/k {
		return fmt.Errorf("%w: %d groups of %d shards: take 1 to %d shards in all", ErrScheme, count, k, MaxShards)
	}
	return nil
}

func (g Groups) shards() int64 { return int64(g.K) * g.Count }

func (g Groups) curve(loss float64) curve {
	n := int64(g.K) + int64(g.M)
	var twice, once stats.Binomial
	// After t = L*n + j packets of a group, j of its n shards were sent L+1
	// times and the others L times. The group is not done if it misses more
	// than M of them:
	//
	//	P(Bin(j, p^(L+1)) + Bin(n-j, p^L) > M)
	group := func(t int64) float64 {
		loops, j := t/n, t%n
		missed := power(loss, loops)
		again := float64(missed * loss)
		if g.M == 0 {
			return either(anyOf(again, j), anyOf(missed, n-j))
		}
		twice.Set(j, again)
		once.Set(n-j, missed)
		return stats.SumAtLeast(&twice, &once, int64(g.M)+1)
	}
	rows := rows{groups: g.Count, group: group}
	return curve{unfinished: rows.unfinished, loop: g.Count * n}
}

// rows sends one packet of every group in turn.
type rows struct {
	groups int64
	group  func(packets int64) float64 // probability that a group is not done

	// The last results of group, which is asked for the same again and again.
	known [2]struct {
		valid       bool
		packets     int64
		probability float64
	}
}

// unfinished: after s = t*G + r packets, r groups have had t+1 and the others t.
func (r *rows) unfinished(s int64) float64 {
	t, more := s/r.groups, s%r.groups
	p := anyOf(r.at(t), r.groups-more)
	if more > 0 {
		p = either(p, anyOf(r.at(t+1), more))
	}
	return p
}

func (r *rows) at(packets int64) float64 {
	k := &r.known[packets%2]
	if !k.valid || k.packets != packets {
		k.valid, k.packets, k.probability = true, packets, r.group(packets)
	}
	return k.probability
}
