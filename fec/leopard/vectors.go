// SPDX-License-Identifier: GPL-2.0-or-later

//go:build (amd64 || arm64) && !purego

package leopard

import "sync"

// vectors is the kernel of this machine's vector unit, if it has one.
var vectors = sync.OnceValue(func() kernel { return newShuffles(theField()) })

// shuffles is the kernel for vector units. It keeps units as shards have them,
// 32 low bytes and 32 high bytes, and looks the products of their four nibbles
// up by shuffling bytes: 16 or 32 look-ups in tables of 16 bytes at once.
type shuffles struct {
	loads, products, stores lookups
	bytes                   [256][2][16]byte // of products, for multipliers below 256: of the low nibble of a byte, then the high one
}

// A lookup is a linear map by nibbles of the element, the lowest first: the low
// bytes and the high bytes of the images of its 16 values.
type lookup [4][2][16]byte

// lookups are the maps of a family for multipliers with one digit to base 16,
// by place and digit. Their assembler functions add the four that they need.
type lookups [4][16]lookup

func newShuffles(f *field) *shuffles {
	s := new(shuffles)
	load, multiply, store := f.families()
	s.loads, s.products, s.stores = lookupsOf(load), lookupsOf(multiply), lookupsOf(store)
	for w := range s.bytes {
		m := multiply(element(w))
		l := lookupOf(&m)
		s.bytes[w] = [2][16]byte{l[0][0], l[1][0]}
	}
	return s
}

func lookupsOf(of family) (all lookups) {
	for place := range all {
		for digit := range all[place] {
			m := of(element(digit << (4 * place)))
			all[place][digit] = lookupOf(&m)
		}
	}
	return all
}

func lookupOf(m *matrix) (l lookup) {
	for nibble := range l {
		for value := range 16 {
			image := m.apply(uint16(value << (4 * nibble)))
			l[nibble][0][value], l[nibble][1][value] = byte(image), byte(image>>8)
		}
	}
	return l
}

func (s *shuffles) load(dst, src []byte, w element) {
	productVector(&dst[0], &src[0], len(dst), &s.loads, w)
}

func (s *shuffles) store(dst, src []byte, w element) {
	productVector(&dst[0], &src[0], len(dst), &s.stores, w)
}

func (s *shuffles) addProduct(x, y []byte, w element) {
	addProductVector(&x[0], &y[0], len(x), &s.products, w)
}

func (s *shuffles) fft2(rows []byte, half int, w element, which uint64) {
	fft2Vector(&rows[0], half, len(rows)/(2*half), &s.products, w, &s.bytes, which)
}

func (s *shuffles) ifft2(rows []byte, half int, w element) {
	ifft2Vector(&rows[0], half, len(rows)/(2*half), &s.products, w, &s.bytes)
}

func (s *shuffles) fft4(rows []byte, outer, left, right element) {
	fft4Vector(&rows[0], len(rows)/4, &s.bytes, outer, left, right)
}

func (s *shuffles) ifft4(rows []byte, outer, left, right element) {
	ifft4Vector(&rows[0], len(rows)/4, &s.bytes, outer, left, right)
}

func (s *shuffles) limit4() element { return element(len(s.bytes)) }

// dst = product(src), n bytes; both may be the same.
//
//go:noescape
func productVector(dst, src *byte, n int, maps *lookups, w element)

// x += product(y), n bytes
//
//go:noescape
func addProductVector(x, y *byte, n int, maps *lookups, w element)

// Pairs of halves x and y from rows on: x += product(y), y += x, then the next
// pair, with w+2.
//
//go:noescape
func fft2Vector(rows *byte, half, pairs int, maps *lookups, w element, bytes *[256][2][16]byte, which uint64)

// Likewise: y += x, x += product(y).
//
//go:noescape
func ifft2Vector(rows *byte, half, pairs int, maps *lookups, w element, bytes *[256][2][16]byte)

// Four quarters from rows on.
//
//go:noescape
func fft4Vector(rows *byte, quarter int, bytes *[256][2][16]byte, outer, left, right element)

//go:noescape
func ifft4Vector(rows *byte, quarter int, bytes *[256][2][16]byte, outer, left, right element)
