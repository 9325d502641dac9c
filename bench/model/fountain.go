// SPDX-License-Identifier: GPL-2.0-or-later

package model

import "iotupd/bench/stats"

// Fountain is the ideal fountain code: every packet is new and any K of them
// restore the file, so the number of packets follows the negative binomial
// distribution. It is exact, and the limit for every scheme without a back
// channel; its mean is K/(1-p).
type Fountain struct {
	Shards int64 // K, of the file
}

func (f Fountain) validate() error { return validateShards(f.Shards, 1) }

func (f Fountain) shards() int64 { return f.Shards }

func (f Fountain) curve(loss float64) curve {
	var lost stats.Binomial
	unfinished := func(s int64) float64 {
		if s < f.Shards {
			return 1
		}
		lost.Set(s, loss)
		return lost.AtLeast(s - f.Shards + 1)
	}
	return curve{unfinished: unfinished, loop: 1 << 62}
}

// RaptorQ is the code of RFC 6330: the fewest blocks of up to 56403 source
// symbols, one packet of every block in turn, every packet new.
//
// This is a law, not a fact: a block is restored from K+o packets but with
// probability 100^-(o+1), as its authors state for all K ("RaptorQ Technical
// Overview", Qualcomm). That the source symbols alone always suffice is
// left out: hardly any receiver gets just them. Blocks are taken to be equal,
// as large as the largest.
type RaptorQ struct {
	Symbols int64 // of the file
}

// raptorqMaxSymbols is K'_max of RFC 6330, section 5.1.2.
const raptorqMaxSymbols = 56403

func (r RaptorQ) validate() error { return validateShards(r.Symbols, 1) }

func (r RaptorQ) shards() int64 { return r.Symbols }

func (r RaptorQ) curve(loss float64) curve {
	blocks := (r.Symbols + raptorqMaxSymbols - 1) / raptorqMaxSymbols
	k := (r.Symbols + blocks - 1) / blocks
	var lost stats.Binomial
	block := func(t int64) float64 {
		if t < k {
			return 1
		}
		lost.Set(t, loss)
		p := lost.AtLeast(t - k + 1)
		fails := 1.0
		for over := int64(0); over < 12 && over <= t-k; over++ {
			fails /= 100
			p += float64(fails * lost.At(t-k-over))
		}
		return p
	}
	rows := rows{groups: blocks, group: block}
	return curve{unfinished: rows.unfinished, loop: 1 << 62}
}
