// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import "math/bits"

// A transform runs in place on rows: consecutive shards, or the same columns of
// them, of width bytes each. Row i belongs to the point first+i of the field.
//
// Both directions recurse on parts of the rows, so that most of the work is done
// in the caches, whatever their sizes. Blocks of few rows go level by level.
type transform struct {
	kernel // its load and store are of one row
	memory []byte
	width  int
	first  int
}

// rows returns n rows from row i on.
func (t *transform) rows(i, n int) []byte { return t.memory[i*t.width:][:n*t.width] }

// blockBytes is how much of the nearest cache a block may fill.
const blockBytes = 24 << 10

// blockRows returns the size of a block: a power of two up to 64.
func (t *transform) blockRows() int {
	fit := uint(blockBytes / t.width)
	return 1 << min(max(1, bits.Len(fit))-1, 6)
}

// multiplier returns the factor of the butterflies between two times half rows.
// The subspace polynomial of level i, normalized, is linear and takes v_j to
// v_(j-i): of a point it leaves the upper coordinates.
func (t *transform) multiplier(row, half int) element {
	return element((t.first + row) / half)
}

// parts returns into how many parts n rows are cut: four if the kernel has
// butterflies for their multipliers, of which the last part has the largest.
func (t *transform) parts(row, n int) int {
	if t.multiplier(row+n/2, n/4) < t.limit4() {
		return 4
	}
	return 2
}

// ifft takes n rows from values to coefficients. Of blocks, which it calls block for
// in order, that has to be done already when block returns. It returns false for
// a block that counts as zero whatever is in it; if all do, so does ifft.
func (t *transform) ifft(row, n int, block func(row, n int) bool) bool {
	if n <= t.blockRows() {
		return block(row, n)
	}
	parts := t.parts(row, n)
	part := n / parts
	var filled [4]bool
	for i := range parts {
		filled[i] = t.ifft(row+i*part, part, block)
	}
	if filled == [4]bool{} {
		return false
	}
	for i := range parts {
		if !filled[i] {
			clear(t.rows(row+i*part, part))
		}
	}
	if outer := t.multiplier(row, n/2); parts == 2 {
		t.ifft2(t.rows(row, n), part*t.width, outer)
	} else {
		t.ifft4(t.rows(row, n), outer, t.multiplier(row, part), t.multiplier(row+n/2, part))
	}
	return true
}

// ifftBlock returns a function that takes a block from values to coefficients. Rows
// that fill denies, which is called for each in order and may write it, count as
// zero whatever is in them.
func (t *transform) ifftBlock(fill func(row int) bool) func(row, n int) bool {
	return func(row, n int) bool {
		var filled uint64
		for i := range n {
			if fill(row + i) {
				filled |= 1 << i
			}
		}
		return t.butterflies(row, n, filled)
	}
}

// lowest returns the bits of the n lowest rows of a block.
func lowest(n int) uint64 { return 1<<n - 1 }

// butterflies takes a block from values to coefficients, of which only rows whose
// bits in filled are 1 count. If there are none it returns false.
func (t *transform) butterflies(row, n int, filled uint64) bool {
	if filled == 0 {
		return false
	}
	for i := range n {
		if filled>>i&1 == 0 {
			clear(t.rows(row+i, 1))
		}
	}
	return t.join(row, n, 1, n)
}

// join takes a block from values to coefficients, which its parts of part rows have
// been taken to already. Parts that start at row filled of it or later count as zero.
func (t *transform) join(row, n, part, filled int) bool {
	for ; part < n; part *= 2 {
		if filled <= part {
			clear(t.rows(row+part, n-part))
		}
		t.ifft2(t.rows(row, n), part*t.width, t.multiplier(row, part))
	}
	return true
}

// fft takes n rows from coefficients to values and calls each for those whose
// points are needed, in order. Other rows are left with anything.
func (t *transform) fft(row, n int, needed set, each func(row int)) {
	if !needed.any(t.first+row, n) {
		return
	}
	if n <= t.blockRows() {
		t.fftBlock(row, n, needed, each)
		return
	}
	parts := t.parts(row, n)
	part := n / parts
	if outer := t.multiplier(row, n/2); parts == 2 {
		t.fft2(t.rows(row, n), part*t.width, outer, 1)
	} else {
		t.fft4(t.rows(row, n), outer, t.multiplier(row, part), t.multiplier(row+n/2, part))
	}
	for i := range parts {
		t.fft(row+i*part, part, needed, each)
	}
}

func (t *transform) fftBlock(row, n int, needed set, each func(row int)) {
	var pairs [7]uint64 // by level: which pairs of halves have to be done
	pairs[0] = needed.bits(t.first+row, n)
	levels := bits.Len(uint(n)) - 1
	for i := range levels {
		pairs[i+1] = everySecond(pairs[i] | pairs[i]>>1)
	}
	for i := levels - 1; i >= 0; i-- {
		t.fft2(t.rows(row, n), t.width<<i, t.multiplier(row, 1<<i), pairs[i+1])
	}
	for rest := pairs[0]; rest != 0; rest &= rest - 1 {
		each(row + bits.TrailingZeros64(rest))
	}
}

// everySecond moves bit 2*i of x to bit i.
func everySecond(x uint64) uint64 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0xffffffff
}

// addDerivative adds the coefficients of the formal derivative to the
// coefficients of n rows. In this basis the derivative of a product of subspace
// polynomials is the sum of the products that lack one of them.
func (t *transform) addDerivative(row, n int) {
	for i := 1; i < n; i++ {
		width := i & -i
		t.add(row+i-width, row+i, width)
	}
}

// add adds n rows from b on to n rows from a on.
func (t *transform) add(a, b, n int) { add(t.rows(a, n), t.rows(b, n)) }
