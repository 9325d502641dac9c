// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

// A locator finds, for one pattern of erasures at a time, the logarithms of the
// error locator polynomial at the points 0 to n-1: the sum over all erased
// points j of log(i^j), where log(0) counts as 0. That sum is a convolution with
// respect to xor, and so a product of Walsh-Hadamard transforms (WHT), here with
// integers modulo 65535.
type locator struct {
	transformed []uint16 // WHT of the logarithms, times 1/n, for the inverse
	logs        []uint16 // of the polynomial
}

func newLocator(f *field, n int) locator {
	l := locator{transformed: make([]uint16, n), logs: make([]uint16, n)}
	copy(l.transformed, f.logs[:n])
	wht(l.transformed)
	// The WHT undoes itself up to the factor n, whose inverse is 65536/n.
	inverse := uint32(order / n)
	for i, x := range l.transformed {
		l.transformed[i] = reduce(uint32(x) * inverse)
	}
	return l
}

// locatorMemory returns the bytes of a locator.
func locatorMemory(n int) int { return 2 * 2 * n }

// locate fills logs for the points of erased.
func (l *locator) locate(erased set) {
	for i := range l.logs {
		l.logs[i] = 0
		if erased.has(i) {
			l.logs[i] = 1
		}
	}
	wht(l.logs)
	for i, x := range l.logs {
		l.logs[i] = reduce(uint32(x) * uint32(l.transformed[i]))
	}
	wht(l.logs)
}

// reduce returns x modulo 65535, or 65535 for 0.
func reduce(x uint32) uint16 {
	x = x&modulus + x>>fieldBits
	return uint16(x + x>>fieldBits)
}

// wht is the Walsh-Hadamard transform of a, whose length is a power of two.
func wht(a []uint16) {
	for half := 1; half < len(a); half *= 2 {
		for i := 0; i < len(a); i += 2 * half {
			left, right := a[i:][:half], a[i+half:][:half]
			for j, x := range left {
				y := right[j]
				left[j], right[j] = addLogs(x, y), subLogs(x, y)
			}
		}
	}
}

// A set is a set of small numbers.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func setMemory(n int) int { return (n + 63) / 64 * 8 }

func (s set) put(i int) { s[i/64] |= 1 << (i % 64) }

func (s set) has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }

// any reports whether one of the n numbers from first on is in s. n is a power
// of two and divides first.
func (s set) any(first, n int) bool {
	if n < 64 {
		return s.bits(first, n) != 0
	}
	for _, w := range s[first/64:][:n/64] {
		if w != 0 {
			return true
		}
	}
	return false
}

// bits returns which of the n numbers from first on are in s. n is a power of
// two up to 64 and divides first.
func (s set) bits(first, n int) uint64 { return s[first/64] >> (first % 64) & (1<<n - 1) }

// fill puts the n numbers from first on.
func (s set) fill(first, n int) {
	for i := first; i < first+n; i++ {
		s.put(i)
	}
}
