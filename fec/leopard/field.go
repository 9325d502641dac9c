// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"math/bits"
	"sync"
)

const (
	fieldBits = 16
	order     = 1 << fieldBits
	modulus   = order - 1 // order of the multiplicative group
	reduction = 0x1002d   // x^16 + x^5 + x^3 + x^2 + 1, which is primitive
)

// An element of GF(2^16): bit i is its coordinate for cantorBasis[i]. Shards
// hold elements in this form.
type element uint16

// cantorBasis is v_0 to v_15 as polynomials in x modulo the reduction: v_0 = 1
// and v_i*v_i + v_i = v_(i-1).
var cantorBasis = [fieldBits]uint16{
	0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012,
	0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8, 0xfb34, 0xff38, 0x991e,
}

// A field holds the logarithms of GF(2^16) to base x, 256 KiB. It is immutable.
type field struct {
	logs   [order]uint16  // of 0: not defined, 0
	powers [order]element // of x, by exponent; 65535 equals 0
}

// theField makes the tables when they are first needed.
var theField = sync.OnceValue(makeField)

func makeField() *field {
	f := new(field)
	var cantor [order]uint16 // of a polynomial: the element
	var polynomial uint16
	for i := range order { // in the order of a Gray code, where one coordinate changes
		if i > 0 {
			polynomial ^= cantorBasis[bits.TrailingZeros(uint(i))]
		}
		cantor[polynomial] = uint16(i ^ i>>1)
	}
	power := 1
	for e := range uint16(modulus) {
		v := cantor[power]
		f.logs[v], f.powers[e] = e, element(v)
		if power <<= 1; power >= order {
			power ^= reduction
		}
	}
	f.powers[modulus] = f.powers[0]
	return f
}

func (f *field) log(a element) uint16 { return f.logs[a] }

// exp takes exponents modulo 65535, where 65535 itself may stand for 0.
func (f *field) exp(e uint16) element { return f.powers[e] }

func (f *field) mul(a, b element) element {
	if a == 0 || b == 0 {
		return 0
	}
	return f.exp(addLogs(f.log(a), f.log(b)))
}

// addLogs and subLogs calculate modulo 65535. Both 0 and 65535 stand for zero.
func addLogs(a, b uint16) uint16 {
	sum := uint32(a) + uint32(b)
	return uint16(sum + sum>>fieldBits)
}

func subLogs(a, b uint16) uint16 {
	difference := uint32(a) - uint32(b)
	return uint16(difference + difference>>fieldBits)
}

// A matrix is a linear map of 16 bits: the image of every bit.
type matrix [fieldBits]uint16

func (m *matrix) apply(x uint16) (y uint16) {
	for ; x != 0; x &= x - 1 {
		y ^= m[bits.TrailingZeros16(x)]
	}
	return y
}

// inverse returns the inverse of m, which must have one.
func (m matrix) inverse() matrix {
	var inverse matrix
	for i := range inverse {
		inverse[i] = 1 << i
	}
	for i := range fieldBits { // Gauss-Jordan, by columns
		pivot := i
		for m[pivot]>>i&1 == 0 {
			pivot++
		}
		m[i], m[pivot] = m[pivot], m[i]
		inverse[i], inverse[pivot] = inverse[pivot], inverse[i]
		for j := range m {
			if j != i && m[j]>>i&1 == 1 {
				m[j] ^= m[i]
				inverse[j] ^= inverse[i]
			}
		}
	}
	return inverse
}

// towerBasis returns u_0 to u_15: u_b is the product of v_(2^i) over the bits i
// of b. The first 2^i of them are a basis of GF(2^(2^i)), and u_(2^i+b) =
// v_(2^i)*u_b. So a multiplier from a subfield acts on the coordinates for u_0
// to u_7 just as on those for u_8 to u_15, or on all four groups of four alike.
func (f *field) towerBasis() (basis matrix) {
	for b := range basis {
		u := element(1)
		for i := range 4 {
			if b>>i&1 == 1 {
				u = f.mul(u, 1<<(1<<i))
			}
		}
		basis[b] = uint16(u)
	}
	return basis
}

// A family is the linear maps that belong to multipliers w. The map of w+w' is
// the sum of both, so 64 maps, those of multipliers with one digit to base 16,
// give all others by three additions.
type family func(w element) matrix

// families returns the maps that the transforms are made of. They calculate
// with coordinates for the tower basis: load takes an element to them, times w,
// multiply multiplies by w, and store takes coordinates back, times w.
func (f *field) families() (load, multiply, store family) {
	fromTower := f.towerBasis()
	toTower := fromTower.inverse()
	load = func(w element) (m matrix) {
		for i := range m {
			m[i] = toTower.apply(uint16(f.mul(w, 1<<i)))
		}
		return m
	}
	multiply = func(w element) (m matrix) {
		for i := range m {
			m[i] = toTower.apply(uint16(f.mul(w, element(fromTower[i]))))
		}
		return m
	}
	store = func(w element) (m matrix) {
		for i := range m {
			m[i] = uint16(f.mul(w, element(fromTower[i])))
		}
		return m
	}
	return load, multiply, store
}
