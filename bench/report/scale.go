// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
)

// A scale maps values to places on an axis, 0 at its start and 1 at its end,
// the same on every CPU: products are rounded before anything is added, and
// logarithms are computed here.
type scale struct {
	kind   scaleKind
	lo, hi float64 // ends of the axis, lo < hi
	ticks  []tick
}

type scaleKind int

const (
	linear scaleKind = iota
	logarithmic
	// excess is logarithmic in the distance from 1, down to leastExcess, and
	// linear from there to 1 itself. It shows 1.003, 1.03 and 3 in one picture.
	excess
)

// leastExcess is the smallest distance from the bound that matters to anybody;
// boundGap is the room for all below, in decades.
const (
	leastExcess = 0.001
	boundGap    = 0.35
)

// A tick is a value with a line across the plot, and a label if there is room.
type tick struct {
	value float64
	label string
	minor bool // between those that matter
}

// at returns the place of v, from 0 to 1; what is beyond an end is at the end.
func (s scale) at(v float64) float64 {
	switch {
	case !(v > s.lo):
		return 0
	case v >= s.hi:
		return 1
	case s.kind == logarithmic:
		return log2(v/s.lo) / log2(s.hi/s.lo)
	case s.kind == excess:
		return excessDecades(v) / excessDecades(s.hi)
	}
	return (v - s.lo) / (s.hi - s.lo)
}

func excessDecades(v float64) float64 {
	switch e := v - 1; {
	case e <= 0:
		return 0
	case e < leastExcess:
		return boundGap * (e / leastExcess)
	default:
		return boundGap + log2(e/leastExcess)/log2(10)
	}
}

// newLinear makes an axis for values from lo to hi, 0 to maxFigure, that begins
// and ends with a tick, with about n of them.
func newLinear(lo, hi float64, n int, suffix string) scale {
	hi = min(hi, maxFigure)
	lo = min(lo, hi)
	if !(hi-lo > float64(hi*1e-9)) { // practically one value
		lo, hi = max(0, lo-1), hi+1
	}
	step := niceStep((hi - lo) / float64(n))
	first := math.Floor(lo/step.value() + 1e-9)
	last := math.Ceil(hi/step.value() - 1e-9)
	s := scale{kind: linear}
	for k := first; k <= last; k++ {
		v, label := step.times(int64(k))
		s.ticks = append(s.ticks, tick{value: v, label: label + suffix})
	}
	s.lo, s.hi = s.ticks[0].value, s.ticks[len(s.ticks)-1].value
	return s
}

// newLog makes a logarithmic axis for values from lo to hi, lo > 0, that
// begins and ends with one of 1, 2 and 5 times a power of ten.
func newLog(lo, hi float64) scale {
	s := scale{kind: logarithmic}
	for e := -9; e <= 15; e++ {
		for _, m := range []int64{1, 2, 5} {
			v, label := decimal{m, e}.times(1)
			t := tick{value: v, label: label, minor: m != 1}
			if v <= lo {
				s.ticks = append(s.ticks[:0], t)
			} else if s.ticks[len(s.ticks)-1].value < hi {
				s.ticks = append(s.ticks, t)
			}
		}
	}
	s.lo, s.hi = s.ticks[0].value, s.ticks[len(s.ticks)-1].value
	return s
}

// newTimes makes a logarithmic axis for seconds from lo to hi, between 1 ms and
// 10000 h, with ticks in the units of people.
func newTimes(lo, hi float64) scale {
	s := scale{kind: logarithmic}
	for _, t := range []tick{
		{value: 0.001, label: "1 ms"}, {value: 0.01, label: "10 ms"}, {value: 0.1, label: "0.1 s"},
		{value: 1, label: "1 s"}, {value: 10, label: "10 s"}, {value: 60, label: "1 min"}, {value: 600, label: "10 min"},
		{value: 3600, label: "1 h"}, {value: 36e3, label: "10 h"}, {value: 36e4, label: "100 h"},
		{value: 36e5, label: "1000 h"}, {value: 36e6, label: "10000 h"},
	} {
		s.ticks = append(s.ticks, t)
		if t.value <= lo {
			s.ticks = s.ticks[len(s.ticks)-1:]
		}
		if t.value >= hi {
			break
		}
	}
	s.lo, s.hi = s.ticks[0].value, s.ticks[len(s.ticks)-1].value
	return s
}

// newExcess makes an axis from 1 to at least hi.
func newExcess(hi float64) scale {
	s := scale{kind: excess, lo: 1, ticks: []tick{{value: 1, label: "1"}}}
	for e := -3; e < 15; e++ {
		for _, m := range []int64{1, 2, 5} {
			v, _ := decimal{m, e}.times(1)
			s.hi = 1 + v
			s.ticks = append(s.ticks, tick{value: s.hi, label: decimals(s.hi, max(0, -e)), minor: m != 1})
			if s.hi >= hi {
				return s
			}
		}
	}
	return s
}

// A decimal is digits * 10^exponent.
type decimal struct {
	digits   int64
	exponent int
}

// niceStep returns the smallest of 1, 2 and 5 times a power of ten that is at
// least least.
func niceStep(least float64) decimal {
	for e := -9; e < 15; e++ {
		for _, m := range []int64{1, 2, 5} {
			if d := (decimal{m, e}); d.value() >= least {
				return d
			}
		}
	}
	return decimal{1, 15}
}

func (d decimal) value() float64 {
	v, _ := d.times(1)
	return v
}

// times returns k*d, the number nearest to it, and its text.
func (d decimal) times(k int64) (float64, string) {
	n := float64(k * d.digits)
	if d.exponent >= 0 {
		v := n * pow10(d.exponent)
		return v, decimals(v, 0)
	}
	v := n / pow10(-d.exponent)
	return v, decimals(v, -d.exponent)
}

// log2 returns the binary logarithm of v, v > 0, to 14 digits. Unlike that of
// package math it is the same on every CPU.
func log2(v float64) float64 {
	// ln m = 2 artanh s for s = (m-1)/(m+1), with m from 1/2 to 1.
	m, e := math.Frexp(v)
	s := (m - 1) / (m + 1)
	square := float64(s * s)
	sum, power := 0.0, s
	for k := 1; k < 40; k += 2 {
		sum += power / float64(k)
		power = float64(power * square)
	}
	return float64(e) + float64(2*sum*math.Log2E)
}
