// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"crypto/subtle"
	"sync"
)

// A kernel does the arithmetic of the transforms, on rows whose width suits it
// ([kernelFor]). It is immutable and safe for concurrent use. Between load and
// store the form of the elements is its own; zeros are zero in every form.
type kernel interface {
	// load sets the row dst to w times the elements of src, in the form of the
	// kernel. Both may be the same slice, in this and in store.
	load(dst, src []byte, w element)

	// store sets dst to w times the row src, as elements again, and leaves
	// anything in src.
	store(dst, src []byte, w element)

	// addProduct adds w times y to x.
	addProduct(x, y []byte, w element)

	// fft2 adds w times the second of two parts of rows, of half bytes each, to
	// the first, then the first to the second. It does so for up to 64 pairs that
	// follow each other, with w for the first pair and 2 more from pair to pair;
	// w is a multiple of twice the next power of two of their number. Pairs whose
	// bits in which are 0 are left out. ifft2 is the inverse, for all pairs.
	fft2(rows []byte, half int, w element, which uint64)
	ifft2(rows []byte, half int, w element)

	// fft4 does two levels on the four quarters of rows: outer on the first and
	// third and on the second and fourth, then left on the first two and right
	// on the last two. ifft4 undoes that. They are for multipliers below
	// limit4, which is 0 if there are none.
	fft4(rows []byte, outer, left, right element)
	ifft4(rows []byte, outer, left, right element)
	limit4() element
}

// add adds y to x in any form.
func add(x, y []byte) { subtle.XORBytes(x, x, y) }

// kernelFor returns the fastest kernel for columns of width bytes, a multiple of
// 64.
func kernelFor(width int) kernel {
	switch {
	case hasVectors():
		return vectors()
	case Unit(width) == planeUnit64:
		return planes64()
	}
	return planes32()
}

var (
	planes32 = sync.OnceValue(func() kernel { return newPlanes[uint32](theField()) })
	planes64 = sync.OnceValue(func() kernel { return newPlanes[uint64](theField()) })
)
