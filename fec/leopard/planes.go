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

// An indexing is a linear map as indices into sums: for each output one sum of
// each group of inputs. Bits 4 and 5 of an index are the group.
type indexing [fieldBits][4]byte

// words is for additions of all indices.
func (x *indexing) words() *[fieldBits]uint32 {
	return (*[fieldBits]uint32)(unsafe.Pointer(x))
}

// sums holds the sums of the words of four groups: bit j of an index stands for
// word j of its group. What is never used lets the compiler leave checks out: an
// index may be any byte, and up to 48 more.
type sums[W word] [256 + 48]W

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
	for output := range x {
		for input, image := range m {
			x[output][input/4] |= byte(image>>output&1) << (input % 4)
		}
		for group := range x[output] {
			if groups {
				x[output][group] |= byte(group << 4)
			}
		}
	}
	return x
}

// pick returns the map of multiplier w.
func pick(maps *[4][16]indexing, w element) (x indexing) {
	a, b := maps[0][w&15].words(), maps[1][w>>4&15].words()
	c, d := maps[2][w>>8&15].words(), maps[3][w>>12].words()
	for i, sum := 0, x.words(); i < len(sum); i++ {
		sum[i] = a[i] ^ b[i] ^ c[i] ^ d[i]
	}
	return x
}

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

func (p *planes[W]) fft2(rows []byte, half int, w element, which uint64) {
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

func (p *planes[W]) ifft2(rows []byte, half int, w element) {
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
		v := (*[4]W)(u[4*g:])
		t := (*[16]W)(s[16*g:])
		a, b, c, d := v[0], v[1], v[2], v[3]
		ab, cd := a^b, c^d
		t[1], t[2], t[3] = a, b, ab
		t[4], t[5], t[6], t[7] = c, a^c, b^c, ab^c
		t[8], t[9], t[10], t[11] = d, a^d, b^d, ab^d
		t[12], t[13], t[14], t[15] = cd, a^cd, b^cd, ab^cd
	}
}

// set sets u to what x picks.
func (s *sums[W]) set(u *[fieldBits]W, x *indexing) {
	clear(u[:])
	s.add(u, x)
}

// add adds to x what ix picks. add256 and add16 do so for multipliers from
// GF(256) and GF(16). Loops would cost them a quarter of their speed.
func (s *sums[W]) add(x *[fieldBits]W, ix *indexing) {
	x[0] ^= s[ix[0][0]] ^ s[ix[0][1]] ^ s[ix[0][2]] ^ s[ix[0][3]]
	x[1] ^= s[ix[1][0]] ^ s[ix[1][1]] ^ s[ix[1][2]] ^ s[ix[1][3]]
	x[2] ^= s[ix[2][0]] ^ s[ix[2][1]] ^ s[ix[2][2]] ^ s[ix[2][3]]
	x[3] ^= s[ix[3][0]] ^ s[ix[3][1]] ^ s[ix[3][2]] ^ s[ix[3][3]]
	x[4] ^= s[ix[4][0]] ^ s[ix[4][1]] ^ s[ix[4][2]] ^ s[ix[4][3]]
	x[5] ^= s[ix[5][0]] ^ s[ix[5][1]] ^ s[ix[5][2]] ^ s[ix[5][3]]
	x[6] ^= s[ix[6][0]] ^ s[ix[6][1]] ^ s[ix[6][2]] ^ s[ix[6][3]]
	x[7] ^= s[ix[7][0]] ^ s[ix[7][1]] ^ s[ix[7][2]] ^ s[ix[7][3]]
	x[8] ^= s[ix[8][0]] ^ s[ix[8][1]] ^ s[ix[8][2]] ^ s[ix[8][3]]
	x[9] ^= s[ix[9][0]] ^ s[ix[9][1]] ^ s[ix[9][2]] ^ s[ix[9][3]]
	x[10] ^= s[ix[10][0]] ^ s[ix[10][1]] ^ s[ix[10][2]] ^ s[ix[10][3]]
	x[11] ^= s[ix[11][0]] ^ s[ix[11][1]] ^ s[ix[11][2]] ^ s[ix[11][3]]
	x[12] ^= s[ix[12][0]] ^ s[ix[12][1]] ^ s[ix[12][2]] ^ s[ix[12][3]]
	x[13] ^= s[ix[13][0]] ^ s[ix[13][1]] ^ s[ix[13][2]] ^ s[ix[13][3]]
	x[14] ^= s[ix[14][0]] ^ s[ix[14][1]] ^ s[ix[14][2]] ^ s[ix[14][3]]
	x[15] ^= s[ix[15][0]] ^ s[ix[15][1]] ^ s[ix[15][2]] ^ s[ix[15][3]]
}

func (s *sums[W]) add256(x *[fieldBits]W, ix *indexing) {
	a, b := int(ix[0][0]), int(ix[0][1])
	x[0] ^= s[a] ^ s[b]
	x[8] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[1][0]), int(ix[1][1])
	x[1] ^= s[a] ^ s[b]
	x[9] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[2][0]), int(ix[2][1])
	x[2] ^= s[a] ^ s[b]
	x[10] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[3][0]), int(ix[3][1])
	x[3] ^= s[a] ^ s[b]
	x[11] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[4][0]), int(ix[4][1])
	x[4] ^= s[a] ^ s[b]
	x[12] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[5][0]), int(ix[5][1])
	x[5] ^= s[a] ^ s[b]
	x[13] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[6][0]), int(ix[6][1])
	x[6] ^= s[a] ^ s[b]
	x[14] ^= s[32+a] ^ s[32+b]
	a, b = int(ix[7][0]), int(ix[7][1])
	x[7] ^= s[a] ^ s[b]
	x[15] ^= s[32+a] ^ s[32+b]
}

func (s *sums[W]) add16(x *[fieldBits]W, ix *indexing) {
	a, b, c, d := int(ix[0][0]), int(ix[1][0]), int(ix[2][0]), int(ix[3][0])
	x[0] ^= s[a]
	x[1] ^= s[b]
	x[2] ^= s[c]
	x[3] ^= s[d]
	x[4] ^= s[16+a]
	x[5] ^= s[16+b]
	x[6] ^= s[16+c]
	x[7] ^= s[16+d]
	x[8] ^= s[32+a]
	x[9] ^= s[32+b]
	x[10] ^= s[32+c]
	x[11] ^= s[32+d]
	x[12] ^= s[48+a]
	x[13] ^= s[48+b]
	x[14] ^= s[48+c]
	x[15] ^= s[48+d]
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
	x[0] ^= y[0]
	x[1] ^= y[1]
	x[2] ^= y[2]
	x[3] ^= y[3]
	x[4] ^= y[4]
	x[5] ^= y[5]
	x[6] ^= y[6]
	x[7] ^= y[7]
	x[8] ^= y[8]
	x[9] ^= y[9]
	x[10] ^= y[10]
	x[11] ^= y[11]
	x[12] ^= y[12]
	x[13] ^= y[13]
	x[14] ^= y[14]
	x[15] ^= y[15]
}

// toPlanes turns a unit of shards into planes of coordinates for the basis of the
// shards: every 64 bytes of a shard hold the low bytes of 32 elements, then the
// high bytes. fromPlanes is the inverse. Where an element's bits come to lie in a
// word depends on the words and on the order of their bytes, and does not matter.
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
