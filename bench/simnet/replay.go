// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

func readReplay(name string, open opener) (Loss, error) {
	if name == "" {
		return Loss{}, errors.New("wants the name of a file, as in trace:field.trace")
	}
	if open == nil {
		return Loss{}, errors.New("is not possible here: files cannot be read")
	}
	file, err := open(name)
	if err != nil {
		return Loss{}, err
	}
	defer file.Close()
	t, err := ReadTrace(file)
	if err != nil {
		return Loss{}, fmt.Errorf("%.40q: %w", name, err)
	}
	if t.Packets() == 0 {
		return Loss{}, fmt.Errorf("%.40q holds no packets", name)
	}
	mean := big.NewRat(int64(t.Lost()), int64(t.Packets()))
	return Loss{text: "trace:" + name, mean: mean, start: replay{ends: t.ends}.start}, nil
}

// A replay repeats a trace without end. The trace is not empty.
type replay struct {
	ends []uint64 // of the runs of the trace
	next uint64   // packet
	run  int      // that the next packet is in
}

func (r replay) start(s *source) process {
	r.seek(s.below(r.ends[len(r.ends)-1]))
	return &r
}

func (r *replay) lost(*source) bool {
	lost := r.run%2 == 1
	if r.next++; r.next == r.ends[r.run] {
		if r.run++; r.run == len(r.ends) {
			r.seek(0)
		}
	}
	return lost
}

func (r *replay) seek(packet uint64) {
	r.next = packet
	r.run, _ = slices.BinarySearch(r.ends, packet+1) // not the first run if it is empty
}
