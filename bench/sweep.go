// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"iotupd/bench/simnet"
	"iotupd/internal/quantity"
)

// SweepForms has examples of what [ParseSweep] reads.
const SweepForms = "loss=0:30%:2.5% | parity=0:100%:10% | burst=1,5,20,100 | size=1M:1G:x4 | " +
	"receivers=1:1000:x10 | senders=1:4"

// maxPoints bounds a sweep.
const maxPoints = 1000

// A Sweep is a parameter and the values that it takes, one after the other.
// The zero Sweep is a single point that changes nothing.
type Sweep struct {
	parameter parameter
	points    []int64 // in units of the parameter
}

// A parameter is what a sweep can vary.
type parameter struct {
	name    string
	parse   func(string) (int64, error)
	format  func(int64) string
	unit    float64 // 1 in its units
	least   int64
	most    int64
	integer bool // steps of 1 by default
	apply   func(p *point, v int64) error
}

var parameters = []parameter{
	{name: "loss", unit: float64(simnet.Certain), most: int64(simnet.Certain), apply: (*point).setLoss,
		parse:  func(s string) (int64, error) { p, err := simnet.ParseProbability(s); return int64(p), err },
		format: func(v int64) string { return simnet.Probability(v).String() }},
	{name: "burst", unit: burstUnit, least: burstUnit, most: 1e9 * burstUnit, integer: true, apply: (*point).setBurst,
		parse: parseBurst, format: formatBurst},
	{name: "parity", unit: float64(quantity.Whole), most: 3 * int64(quantity.Whole),
		parse:  func(s string) (int64, error) { p, err := quantity.ParsePercent(s); return int64(p), err },
		format: func(v int64) string { return quantity.Percent(v).String() },
		apply:  func(p *point, v int64) error { p.parity = int(v); return nil }},
	{name: "size", unit: 1, least: 1, most: maxSize,
		parse:  func(s string) (int64, error) { z, err := quantity.ParseSize(s); return int64(z), err },
		format: formatSize,
		apply:  func(p *point, v int64) error { p.Size = v; return nil }},
	{name: "senders", unit: 1, least: 1, most: maxSenders, integer: true, parse: parseCount, format: formatCount,
		apply: func(p *point, v int64) error { p.Senders = int(v); return nil }},
	{name: "receivers", unit: 1, least: 1, most: maxReceivers, integer: true, parse: parseCount, format: formatCount,
		apply: func(p *point, v int64) error { p.Receivers = int(v); return nil }},
}

// ParseSweep reads a parameter and its values:
//
//	loss=0,1%,10%            a list
//	loss=0:30%:2.5%          from 0 to 30 % in steps of 2.5 %
//	burst=1:1000:x10         from 1 to 1000, each 10 times the one before
//	senders=1:4              whole numbers in steps of 1
//
// Parameters are loss, the mean of the loss model; burst, the mean length of
// its bursts, which turns bernoulli into gilbert; parity, in percent of the
// data shards; size, of the file; senders; and receivers.
func ParseSweep(s string) (Sweep, error) {
	name, values, _ := strings.Cut(s, "=")
	i := slices.IndexFunc(parameters, func(p parameter) bool { return p.name == name })
	if i < 0 {
		return Sweep{}, fmt.Errorf("bench: sweep %.60q: there is no parameter %.40q; there are: %s", s, name, SweepForms)
	}
	w := Sweep{parameter: parameters[i]}
	var err error
	if strings.Contains(values, ":") {
		err = w.parseRange(values)
	} else {
		err = w.parseList(values)
	}
	if err != nil {
		return Sweep{}, fmt.Errorf("bench: sweep %.60q: %w", s, err)
	}
	return w, nil
}

func (w *Sweep) parseList(values string) error {
	for item := range strings.SplitSeq(values, ",") {
		v, err := w.value(item)
		if err != nil {
			return err
		}
		if err := w.add(v); err != nil {
			return err
		}
	}
	return nil
}

func (w *Sweep) value(item string) (int64, error) {
	p := w.parameter
	v, err := p.parse(item)
	if err == nil && (v < p.least || v > p.most) {
		err = fmt.Errorf("%.40q is not from %s to %s", item, p.format(p.least), p.format(p.most))
	}
	return v, err
}

func (w *Sweep) add(v int64) error {
	if len(w.points) == maxPoints {
		return fmt.Errorf("has more than %d values", maxPoints)
	}
	w.points = append(w.points, v)
	return nil
}

func (w *Sweep) parseRange(values string) error {
	parts := strings.Split(values, ":")
	if len(parts) == 2 && w.parameter.integer {
		parts = append(parts, "1")
	}
	if len(parts) != 3 {
		return errors.New("wants FROM:TO:STEP, as in loss=0:30%:2.5%, or a list, as in loss=1%,10%")
	}
	from, err := w.value(parts[0])
	if err != nil {
		return err
	}
	to, err := w.value(parts[1])
	if err != nil {
		return err
	}
	next, err := w.step(parts[2], from)
	if err != nil {
		return err
	}
	for v := from; v <= to; v = next(v) {
		if err := w.add(v); err != nil {
			return err
		}
	}
	if len(w.points) == 0 {
		return fmt.Errorf("has no value: %s is above %s", parts[0], parts[1])
	}
	return nil
}

// step returns how a step, 10% or x10, leads from one value to the next.
func (w *Sweep) step(s string, from int64) (next func(int64) int64, err error) {
	if factor, ok := strings.CutPrefix(s, "x"); ok {
		f, err := strconv.ParseInt(factor, 10, 32)
		if err != nil || f < 2 || from == 0 {
			return nil, fmt.Errorf("cannot step by %.40q from %s: wants a factor from 2 on, and values above 0, as in burst=1:1000:x10",
				s, w.parameter.format(from))
		}
		return func(v int64) int64 {
			if v > math.MaxInt64/f {
				return math.MaxInt64
			}
			return v * f
		}, nil
	}
	d, err := w.parameter.parse(s)
	if err != nil {
		return nil, err
	}
	if d <= 0 {
		return nil, errors.New("wants a step above 0")
	}
	return func(v int64) int64 { return v + min(d, math.MaxInt64-v) }, nil
}

// String returns the values as a list that [ParseSweep] reads again; empty for
// the zero Sweep.
func (w Sweep) String() string {
	if w.points == nil {
		return ""
	}
	texts := make([]string, len(w.points))
	for i, v := range w.points {
		texts[i] = w.parameter.format(v)
	}
	return w.parameter.name + "=" + strings.Join(texts, ",")
}

// burstUnit is a burst of one packet.
const burstUnit = 1000

func parseBurst(s string) (int64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1e9) {
		return 0, fmt.Errorf("wants a number of packets, as in 5 or 2.5, not %.40q", s)
	}
	return int64(math.Round(v * burstUnit)), nil
}

func formatBurst(v int64) string {
	return strconv.FormatFloat(float64(v)/burstUnit, 'f', -1, 64)
}

func parseCount(s string) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("wants a whole number, not %.40q", s)
	}
	return v, nil
}

func formatCount(v int64) string { return strconv.FormatInt(v, 10) }

// formatSize is exact, unlike [quantity.Size.String]: 64M, 1280.
func formatSize(v int64) string {
	const letters = "KMGT"
	unit := ""
	for i := 0; i < len(letters) && v%1024 == 0 && v > 0; i++ {
		v, unit = v/1024, letters[i:i+1]
	}
	return strconv.FormatInt(v, 10) + unit
}
