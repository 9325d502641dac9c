// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"math/bits"
	"unsafe"
)

// The portable kernel works on bit planes. A unit is 16 words; word i holds
// coordinate i, for the tower basis, of as many elements as a word has bits. A
// linear map of elements is then sums of words: the 15 sums of each four words
// are made once, and every output is one of each, picked by an index.

const (
	wordSize    = bits.UintSize / 8
	planeUnit64 = fieldBits * 8 // bytes of a unit of 64-bit words
)

type word interface{ uint32 | uint64 }

// An indexing is a linear map as indices into sums: the four bytes of word i,
// from the lowest, pick those that make output i, one of each group of inputs.
// The group is in bits 4 and 5 of every index.
type indexing [fieldBits]uint32

// sums holds the sums of the words of four groups: bit j of an index stands for
// word j of its group.
type sums[W word] [4 * fieldBits]W

// planes is the kernel for one size of words. The maps are those of multipliers
// with one digit to base 16, by digit and place.
type planes[W word] struct {
	loads, products, stores [4][16]indexing
}

func newPlanes[W word](f *field) *planes[W] {
	p := new(planes[W])
	load, multiply, store := f.families()
	fill := func(maps *[4][16]indexing, of family) {
		for place := range maps {
			for digit := range maps[place] {
				m := of(element(digit << (4 * place)))
				maps[place][digit] = indexingOf(&m, place == 0)
			}
		}
	}
	fill(&p.loads, load)
	fill(&p.products, multiply)
	fill(&p.stores, store)
	return p
}

// indexingOf returns the indices of m, with the groups or without: of indices
// that are added, one must have them.
func indexingOf(m *matrix, groups bool) (x indexing) {
	for input, image := range m {
		for output := range fieldBits {
			x[output] |= uint32(image>>output&1) << (input%4 + input/4*8)
		}
	}
	if groups {
		for i := range x {
			x[i] |= 0x30201000
		}
	}
	return x
}

// pick returns the map of multiplier w.
func pick(maps *[4][16]indexing, w element) (x indexing) {
	a, b := &maps[0][w&15], &maps[1][w>>4&15]
	c, d := &maps[2][w>>8&15], &maps[3][w>>12]
	for i := range x {
		x[i] = a[i] ^ b[i] ^ c[i] ^ d[i]
	}
	return x
}

func (p *planes[W]) unit() int { return int(unsafe.Sizeof([fieldBits]W{})) }

// units returns the units that b holds: memory made of 64-bit words, at a
// multiple of the unit.
func units[W word](b []byte) [][fieldBits]W {
	n := len(b) / int(unsafe.Sizeof([fieldBits]W{}))
	return unsafe.Slice((*[fieldBits]W)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

func (p *planes[W]) load(dst, src []byte, w element) {
	copy(dst, src)
	x := pick(&p.loads, w)
	var s sums[W]
	for i, rows := 0, units[W](dst); i < len(rows); i++ {
		u := &rows[i]
		toPlanes(u)
		s.fill(u)
		s.set(u, &x)
	}
}

func (p *planes[W]) store(dst, src []byte, w element) {
	x := pick(&p.stores, w)
	var s sums[W]
	for i, rows := 0, units[W](src); i < len(rows); i++ {
		u := &rows[i]
		s.fill(u)
		s.set(u, &x)
		fromPlanes(u)
	}
	copy(dst, src)
}

func (p *planes[W]) addProduct(x, y []byte, w element) {
	if w != 0 {
		ix := pick(&p.products, w)
		var s sums[W]
		ys := units[W](y)
		for i, xs := 0, units[W](x); i < len(xs); i++ {
			s.addProduct(&xs[i], &ys[i], w, &ix)
		}
	}
}

func (p *planes[W]) fft2(rows []byte, w element) { p.fft2s(rows, len(rows)/2, w, 1) }

func (p *planes[W]) fft2s(rows []byte, half int, w element, which uint64) {
	for ; len(rows) > 0; rows, w, which = rows[2*half:], w+2, which>>1 {
		x, y := rows[:half], rows[half:2*half]
		switch {
		case which&1 == 0:
		case w == 0:
			add(y, x)
		default:
			ix := pick(&p.products, w)
			var s sums[W]
			ys := units[W](y)
			for i, xs := 0, units[W](x); i < len(xs); i++ {
				s.addProduct(&xs[i], &ys[i], w, &ix)
				addUnit(&ys[i], &xs[i])
			}
		}
	}
}

func (p *planes[W]) ifft2(rows []byte, w element) { p.ifft2s(rows, len(rows)/2, w) }

func (p *planes[W]) ifft2s(rows []byte, half int, w element) {
	for ; len(rows) > 0; rows, w = rows[2*half:], w+2 {
		x, y := rows[:half], rows[half:2*half]
		if w == 0 {
			add(y, x)
			continue
		}
		ix := pick(&p.products, w)
		var s sums[W]
		ys := units[W](y)
		for i, xs := 0, units[W](x); i < len(xs); i++ {
			addUnit(&ys[i], &xs[i])
			s.addProduct(&xs[i], &ys[i], w, &ix)
		}
	}
}

func (p *planes[W]) fft4([]byte, element, element, element)  {}
func (p *planes[W]) ifft4([]byte, element, element, element) {}
func (p *planes[W]) limit4() element                         { return 0 }

// fill makes the sums of the words of u.
func (s *sums[W]) fill(u *[fieldBits]W) {
	for g := range 4 {
		t := (*[16]W)(s[16*g:])
		a, b, c, d := u[4*g], u[4*g+1], u[4*g+2], u[4*g+3]
		ab, cd := a^b, c^d
		t[1], t[2], t[3] = a, b, ab
		t[4], t[5], t[6], t[7] = c, a^c, b^c, ab^c
		t[8], t[9], t[10], t[11] = d, a^d, b^d, ab^d
		t[12], t[13], t[14], t[15] = cd, a^cd, b^cd, ab^cd
	}
}

// set sets u to what x picks, add adds that to u.
func (s *sums[W]) set(u *[fieldBits]W, x *indexing) {
	for i, pick := range x {
		u[i] = s[pick&63] ^ s[pick>>8&63] ^ s[pick>>16&63] ^ s[pick>>24&63]
	}
}

func (s *sums[W]) add(u *[fieldBits]W, x *indexing) {
	for i, pick := range x {
		u[i] ^= s[pick&63] ^ s[pick>>8&63] ^ s[pick>>16&63] ^ s[pick>>24&63]
	}
}

// add256 is add for multipliers from GF(256), add16 for those from GF(16).
func (s *sums[W]) add256(u *[fieldBits]W, x *indexing) {
	for i, pick := range x[:8] {
		a, b := pick&15, pick>>8&31
		u[i] ^= s[a] ^ s[b]
		u[8+i] ^= s[32+a] ^ s[32+b]
	}
}

func (s *sums[W]) add16(u *[fieldBits]W, x *indexing) {
	for i, pick := range x[:4] {
		a := pick & 15
		u[i] ^= s[a]
		u[4+i] ^= s[16+a]
		u[8+i] ^= s[32+a]
		u[12+i] ^= s[48+a]
	}
}

// addProduct adds w times y, whose map is ix, to x.
func (s *sums[W]) addProduct(x, y *[fieldBits]W, w element, ix *indexing) {
	s.fill(y)
	switch {
	case w < 16:
		s.add16(x, ix)
	case w < 256:
		s.add256(x, ix)
	default:
		s.add(x, ix)
	}
}

func addUnit[W word](x, y *[fieldBits]W) {
	for i := range x {
		x[i] ^= y[i]
	}
}

// toPlanes turns a unit of shards into planes of coordinates for the basis of
// the shards: in every 64 bytes of these are the low bytes of 32 elements, then
// the high bytes. fromPlanes undoes that. Where an element's bits come to lie
// in a word depends on the words and on the order of their bytes, and does not
// matter.
func toPlanes[W word](u *[fieldBits]W) {
	sortBytes(u)
	transpose((*[8]W)(u[:8]))
	transpose((*[8]W)(u[8:]))
}

func fromPlanes[W word](u *[fieldBits]W) {
	transpose((*[8]W)(u[:8]))
	transpose((*[8]W)(u[8:]))
	sortBytes(u)
}

// sortBytes moves the low bytes of a unit to its first half. It is its own
// inverse.
func sortBytes[W word](u *[fieldBits]W) {
	if unsafe.Sizeof(u[0]) == 8 { // two times 32 elements: 4 words low, 4 high
		for i := range 4 {
			u[4+i], u[8+i] = u[8+i], u[4+i]
		}
	}
}

// transpose turns the 8x8 bits of equal bytes of eight words. It is its own
// inverse.
func transpose[W word](u *[8]W) {
	const eachByte = 255
	for _, step := range [...]struct {
		distance int
		mask     W
	}{{4, 0x0f}, {2, 0x33}, {1, 0x55}} {
		mask := ^W(0) / eachByte * step.mask
		for i := range u {
			if i&step.distance == 0 {
				a, b := &u[i], &u[i+step.distance]
				t := (*a>>step.distance ^ *b) & mask
				*b ^= t
				*a ^= t << step.distance
			}
		}
	}
}
