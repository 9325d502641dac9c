// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestTheScheduleIsTheDrawnOne(t *testing.T) {
	// "In pass j = 0..B-1 and in each block, layer 0 sends the row whose number in
	// the block is j with its b bits in reverse order; layer i >= 1 sends those
	// rows of the aligned interval of 2^i rows around it that lower layers do
	// not." spec.md 10.1
	want := []string{
		"0 1 2 2 3 3 3 3", "3 3 3 3 0 1 2 2", "2 2 0 1 3 3 3 3", "3 3 3 3 2 2 0 1",
		"1 0 2 2 3 3 3 3", "3 3 3 3 1 0 2 2", "2 2 1 0 3 3 3 3", "3 3 3 3 2 2 1 0",
	}
	const layers, rows = 4, 8
	passes := make([][rows]int, len(want))
	for layer := range layers {
		d := dyadic{layers, layer}
		for n := range d.turns(rows) {
			at := d.turn(n, rows)
			passes[at.pass][d.row(at)] = layer
		}
	}
	for j, pass := range passes {
		if got := strings.Trim(fmt.Sprint(pass), "[]"); got != want[j] {
			t.Errorf("pass %d: rows are of layers %s, want %s", j, got, want[j])
		}
	}
}

func TestOneLayerIsRowAfterRow(t *testing.T) {
	// "b = 0 is 6.1" spec.md 10.1
	for _, d := range []dyadic{{}, {layers: 1}} {
		const rows = 21
		if got := d.turns(rows); got != rows {
			t.Fatalf("%d turns, want %d", got, rows)
		}
		for n := range uint64(rows) {
			if got := d.row(d.turn(n, rows)); got != n {
				t.Errorf("turn %d has row %d", n, got)
			}
		}
	}
}

func TestEveryPrefixOfLayersHasEveryRowOnceFromAnyPass(t *testing.T) {
	// "So layers 0 to i together send each shard once before they repeat any,
	// from any start" spec.md 10.1. With layers 0 to i it takes 2^(b-i) passes.
	// The records are "dealt out in the same way".
	rnd := rand.New(rand.NewPCG(5, 6))
	for layers := 1; layers <= 7; layers++ {
		for range 10 {
			rows := uint64(1 + rnd.IntN(300))
			of := recordsAmongRows{records: 1 + rnd.IntN(int(rows)), rows: rows}
			passes := 1 << (layers - 1)
			sentRows, sentRecords := make([][]int, passes), make([][]int, passes)
			for top := range layers {
				d := dyadic{layers, top}
				for n := range d.turns(rows) {
					at := d.turn(n, rows)
					if row := d.row(at); row < rows {
						sentRows[at.pass] = append(sentRows[at.pass], int(row))
					}
					for i := 0; ; i++ {
						record, ok := d.recordBefore(at, i, of)
						if !ok {
							break
						}
						sentRecords[at.pass] = append(sentRecords[at.pass], record)
					}
				}
				period := passes >> top
				for first := range passes {
					wantEachOnce(t, sentRows, first, period, int(rows))
					wantEachOnce(t, sentRecords, first, period, of.records)
				}
				if t.Failed() {
					t.Fatalf("layers 0 to %d of %d, %+v", top, layers, of)
				}
			}
		}
	}
}

// wantEachOnce fails unless the passes from first on, n of the cycle, have each
// number below want once.
func wantEachOnce(t *testing.T, cycle [][]int, first, n, want int) {
	t.Helper()
	var all []int
	for i := range n {
		all = append(all, cycle[(first+i)%len(cycle)]...)
	}
	slices.Sort(all)
	for i, number := range all {
		if number != i {
			t.Errorf("passes %d to %d: %d where %d should be", first, first+n-1, number, i)
			return
		}
	}
	if len(all) != want {
		t.Errorf("passes %d to %d: %d different, want %d", first, first+n-1, len(all), want)
	}
}

func TestRecordsAreSpreadOverEveryPass(t *testing.T) {
	// "Of n blocks of records and m of rows, block i of records goes just before
	// block floor(i*m/n) of rows" spec.md 10.1
	for layers := 2; layers <= 5; layers++ {
		for rows := uint64(1); rows < 120; rows += 7 {
			for records := 1; records <= int(rows); records += 5 {
				d := dyadic{layers, layers - 1}
				n, m := d.blocks(uint64(records)), d.blocks(rows)
				var want, got []uint64
				for i := range n {
					want = append(want, i*m/n)
				}
				for turns := range d.turns(rows) / d.block() { // the first pass has the upper half
					at := d.turn(turns, rows)
					at.pass = 1 // now the lower half, of which each block has a row
					if _, ok := d.recordBefore(at, 0, recordsAmongRows{records, rows}); ok {
						got = append(got, at.block)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%d layers, %d records among %d rows: before blocks %v, want %v", layers, records, rows, got, want)
				}
			}
		}
	}
}
