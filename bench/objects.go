// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"iotupd/internal/quantity"
	"iotupd/sender"
)

// ObjectsForms has an example of each form that [ParseObjects] reads.
const ObjectsForms = "1M | 1M*10 (ten of them) | 1M*10:3 (each wanted three times as often), with commas"

// An ObjectSize is one of the objects of a [Set].
type ObjectSize struct {
	Size   int64   // in bytes
	Weight float64 // how often it is wanted, compared with others; if zero, 1
}

// maxWeight is the largest weight.
const maxWeight = 1e6

// ParseObjects reads sizes of objects with commas between them. After a size, *10 makes
// ten such objects, and then :3 makes receivers want each of them three times as often.
func ParseObjects(list string) ([]ObjectSize, error) {
	var all []ObjectSize
	for item := range strings.SplitSeq(list, ",") {
		head, weight, weighted := strings.Cut(item, ":")
		size, times, repeated := strings.Cut(head, "*")
		n, err := quantity.ParseSize(size)
		if err != nil || n < 1 {
			return nil, objectsError(item)
		}
		o := ObjectSize{Size: int64(n), Weight: 1}
		if weighted {
			o.Weight, err = strconv.ParseFloat(weight, 64)
			if err != nil || !(o.Weight > 0 && o.Weight <= maxWeight) {
				return nil, objectsError(item)
			}
		}
		count := 1
		if repeated {
			count, err = strconv.Atoi(times)
		}
		if err != nil || count < 1 {
			return nil, objectsError(item)
		}
		if len(all)+count > sender.MaxUnlisted {
			return nil, fmt.Errorf("%w: over %d objects", ErrExperiment, sender.MaxUnlisted)
		}
		all = append(all, slices.Repeat([]ObjectSize{o}, count)...)
	}
	return all, nil
}

func objectsError(item string) error {
	return fmt.Errorf("%w: %.40q is not an object such as 1M, 1M*10 or 1M*10:3, with weights over 0 and up to %.0f", ErrExperiment, item, float64(maxWeight))
}

// formatObjects returns the text from which [ParseObjects] makes the same.
func formatObjects(all []ObjectSize) string {
	var items []string
	for len(all) > 0 {
		o, n := all[0], 1
		for n < len(all) && all[n] == o {
			n++
		}
		item := formatSize(o.Size)
		if n > 1 {
			item += fmt.Sprint("*", n)
		}
		if o.Weight != 1 {
			item += ":" + strconv.FormatFloat(o.Weight, 'g', -1, 64)
		}
		items, all = append(items, item), all[n:]
	}
	return strings.Join(items, ",")
}

// A demand is what receivers of a set need and want.
type demand struct {
	need    []float64 // packets of each object
	wanted  []float64 // share of the receivers that want it
	packets float64   // sum of need
}

// The optima are for an ideal code, of which any need packets are enough, and for packets
// that take no time. Loss makes all needs longer by the same factor, 1/(1-p). They are
// relative to the packets of all objects.

// all is the least possible mean if every receiver wants all objects: it has to get all
// their packets.
func (d *demand) all() float64 { return 1 }

// turns is the least possible mean if all receivers are there at the start and each wants
// one object: the objects are sent one after the other, the one with the smallest need
// for each receiver first (Smith's rule).
func (d *demand) turns() float64 {
	order := make([]int, len(d.need))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return compareFloat(d.need[a]*d.wanted[b], d.need[b]*d.wanted[a])
	})
	sent, mean := 0.0, 0.0
	for _, i := range order {
		sent += d.need[i]
		mean += d.wanted[i] * sent
	}
	return mean / d.packets
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// constant is the least possible mean if each receiver wants one object and the packets
// of all objects alternate at constant shares f: the sum of wanted*need/f is least if f
// is proportional to the square root of wanted*need.
func (d *demand) constant() float64 {
	roots := 0.0
	for i, n := range d.need {
		roots += math.Sqrt(d.wanted[i] * n)
	}
	return roots * roots / d.packets
}

// random is the least possible mean in any order if receivers join at random and each
// wants one object. At a share f of the packets, the mean time for n packets of an object
// is at least n*(1/(2f)+1-f/2), which is reached if n packets are sent in a row at equal
// distances: a receiver waits for half a distance on average. The sum over all objects is
// least if its derivatives by f are equal. It may be that no order reaches all of it.
func (d *demand) random() float64 {
	// With a multiplier x, f is 1/sqrt(x/(wanted*need)-1), at most 1.
	share := func(x float64, i int) float64 {
		return min(1, 1/math.Sqrt(max(x/(d.wanted[i]*d.need[i])-1, 1)))
	}
	low, high := 0.0, 0.0
	for i := range d.need {
		n := float64(len(d.need)) + 1
		high = max(high, d.wanted[i]*d.need[i]*(n*n+1))
	}
	for range 200 {
		x, sum := (low+high)/2, 0.0
		for i := range d.need {
			sum += share(x, i)
		}
		if sum > 1 {
			low = x
		} else {
			high = x
		}
	}
	mean := 0.0
	for i, n := range d.need {
		f := share(high, i)
		mean += d.wanted[i] * n * (1/(2*f) + 1 - f/2)
	}
	return mean / d.packets
}
