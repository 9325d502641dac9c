// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Each test here states an identity that the code rests on.

func newRand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// polynomialProduct multiplies in GF(2^16) without tables, by its definition.
func polynomialProduct(a, b uint16) (product uint16) {
	for x := uint32(a); b != 0; b >>= 1 {
		if b&1 == 1 {
			product ^= uint16(x)
		}
		if x <<= 1; x >= order {
			x ^= reduction
		}
	}
	return product
}

func TestTheCantorBasis(t *testing.T) {
	// v_0 = 1 and v_i^2 + v_i = v_(i-1)
	if cantorBasis[0] != 1 {
		t.Error("v_0 is not 1")
	}
	for i := 1; i < fieldBits; i++ {
		v := cantorBasis[i]
		if polynomialProduct(v, v)^v != cantorBasis[i-1] {
			t.Errorf("v_%d^2 + v_%[1]d is not v_%d", i, i-1)
		}
	}
}

func TestProductsByLogarithms(t *testing.T) {
	f, rnd := theField(), newRand(t)
	basis := matrix(cantorBasis)
	for range 100000 {
		a, b := element(rnd.Uint32()), element(rnd.Uint32())
		if got, want := basis.apply(uint16(f.mul(a, b))), polynomialProduct(basis.apply(uint16(a)), basis.apply(uint16(b))); got != want {
			t.Fatalf("%#x * %#x = %#x, want %#x as polynomials", a, b, got, want)
		}
	}
	if f.exp(0) != 1 || f.exp(modulus) != 1 {
		t.Error("x^0 or x^65535 is not 1")
	}
}

func TestTheFirstElementsAreSubfields(t *testing.T) {
	// v_0 to v_(2^i-1) span GF(2^(2^i)).
	f := theField()
	for _, size := range []element{2, 4, 16, 256} {
		for a := range size {
			for b := range size {
				if f.mul(a, b) >= size {
					t.Fatalf("%#x * %#x leaves GF(%d)", a, b, size)
				}
			}
		}
	}
}

func TestTheTowerBasis(t *testing.T) {
	// u_(2^i+b) = v_(2^i) * u_b, and the first 2^i are from GF(2^(2^i)).
	f := theField()
	u := f.towerBasis()
	for i := range 4 {
		for b := range 1 << i {
			if got, want := u[1<<i+b], f.mul(1<<(1<<i), element(u[b])); got != uint16(want) {
				t.Errorf("u_%d = %#x, want %#x", 1<<i+b, got, want)
			}
			if u[b] >= 1<<(1<<i) {
				t.Errorf("u_%d = %#x is not in GF(2^%d)", b, u[b], 1<<i)
			}
		}
	}
	inverse := u.inverse()
	for i := range u {
		if got := inverse.apply(u[i]); got != 1<<i {
			t.Errorf("u_%d has the coordinates %#x", i, got)
		}
	}
}

func TestSubfieldsActOnAllCoordinatesAlike(t *testing.T) {
	// A multiplier from GF(2^s) is s rows and columns again and again.
	_, multiply, _ := theField().families()
	for _, s := range []int{4, 8} {
		for w := range element(1) << s {
			m := multiply(w)
			for i, image := range m {
				if first := m[i%s]; first>>s != 0 || image != first<<(i/s*s) {
					t.Fatalf("multiplier %#x takes coordinate %d to %#x", w, i, image)
				}
			}
		}
	}
}

func TestMapsAddUp(t *testing.T) {
	// The map of w + w' is the sum of the maps of w and w', in every family, and
	// store after multiply after load multiplies by all three.
	f, rnd := theField(), newRand(t)
	load, multiply, store := f.families()
	for range 1000 {
		a, b, x := element(rnd.Uint32()), element(rnd.Uint32()), element(rnd.Uint32())
		for i, family := range []family{load, multiply, store} {
			ma, mb, sum := family(a), family(b), family(a^b)
			for j := range sum {
				if sum[j] != ma[j]^mb[j] {
					t.Fatalf("family %d: the maps of %#x and %#x do not add up", i, a, b)
				}
			}
		}
		ml, mm, ms := load(a), multiply(b), store(a)
		if got, want := ms.apply(mm.apply(ml.apply(uint16(x)))), f.mul(f.mul(a, a), f.mul(b, x)); got != uint16(want) {
			t.Fatalf("%#x, %#x: the families give %#x, want %#x", a, b, got, want)
		}
	}
}

// subspace returns the value at x of the polynomial of level i: the product of x
// + a over all points a < 2^i.
func subspace(f *field, i int, x element) element {
	product := element(1)
	for a := range element(1) << i {
		product = f.mul(product, x^a)
	}
	return product
}

func (f *field) inverse(a element) element { return f.exp(modulus - f.log(a)) }

func TestSubspacePolynomialsShiftCoordinates(t *testing.T) {
	// Normalized, that of level i takes the point x to x >> i.
	f, rnd := theField(), newRand(t)
	for i := range 10 {
		scale := f.inverse(subspace(f, i, 1<<i))
		for range 20 {
			x := element(rnd.Uint32())
			if got := f.mul(subspace(f, i, x), scale); got != x>>i {
				t.Fatalf("level %d takes %#x to %#x, want %#x", i, x, got, x>>i)
			}
		}
	}
}

// basisValue is the value at x of basis polynomial r of the transforms: the
// product of the normalized subspace polynomials of the levels that r has bits
// of.
func basisValue(f *field, r int, x element) element {
	value := element(1)
	for i := 0; r>>i != 0; i++ {
		if r>>i&1 == 1 {
			value = f.mul(value, x>>i)
		}
	}
	return value
}

// elements reads the elements of a row of shards, appendElements writes them.
func elements(row []byte) (e []element) {
	for ; len(row) > 0; row = row[UnitLen:] {
		for i := range UnitLen / 2 {
			e = append(e, element(row[i])|element(row[i+UnitLen/2])<<8)
		}
	}
	return e
}

func TestTransformsEvaluatePolynomials(t *testing.T) {
	// fft gives the values at n points of the polynomial that has the rows as
	// its coefficients in this basis, and ifft undoes that.
	f, rnd := theField(), newRand(t)
	for name, k := range kernels(128) {
		for n := 1; n <= 256; n *= 2 {
			for _, first := range []int{0, n, 3 * n, order - n} {
				tr := &transform{kernel: k, memory: newMemory(n * 128), width: 128, first: first}
				fillRandom(tr.memory, rnd)
				before := bytes.Clone(tr.memory)
				for i := range n {
					tr.load(tr.rows(i, 1), tr.rows(i, 1), 1)
				}
				all := newSet(order)
				for i := range n {
					all.put(first + i)
				}
				tr.fft(0, n, all, func(int) {})
				got := newMemory(n * 128)
				scratch := bytes.Clone(tr.memory)
				copyAligned := newMemory(128)
				for i := range n {
					copy(copyAligned, scratch[i*128:])
					tr.store(got[i*128:][:128], copyAligned, 1)
				}
				for _, p := range []int{0, n / 2, n - 1} {
					values := elements(got[p*128:][:128])
					for column, value := range values {
						var want element
						for r := range n {
							want ^= f.mul(elements(before[r*128:][:128])[column], basisValue(f, r, element(first+p)))
						}
						if value != want {
							t.Fatalf("%s: %d points from %d, point %d: %#x, want %#x", name, n, first, p, value, want)
						}
						if column == 3 {
							break
						}
					}
				}
				tr.ifft(0, n, tr.ifftBlock(func(int) bool { return true }))
				for i := range n {
					tr.store(tr.rows(i, 1), tr.rows(i, 1), 1)
				}
				if !bytes.Equal(tr.memory, before) {
					t.Fatalf("%s: %d points from %d: ifft does not undo fft", name, n, first)
				}
			}
		}
	}
}

// A monomial polynomial has its coefficients from x^0 on.
type monomial []element

func (p monomial) times(f *field, q monomial) monomial {
	product := make(monomial, len(p)+len(q)-1)
	for i, a := range p {
		for j, b := range q {
			product[i+j] ^= f.mul(a, b)
		}
	}
	return product
}

func TestTheFormalDerivative(t *testing.T) {
	// In the basis of the transforms the derivative of a polynomial is the sum of
	// the polynomials whose number lacks one bit of its own number.
	f := theField()
	basis := make([]monomial, 32)
	for r := range basis {
		basis[r] = monomial{1}
		for i := 0; r>>i != 0; i++ {
			if r>>i&1 == 1 {
				scale := f.inverse(subspace(f, i, 1<<i))
				for a := range element(1) << i {
					basis[r] = basis[r].times(f, monomial{a, 1})
				}
				basis[r] = basis[r].times(f, monomial{scale})
			}
		}
	}
	for r, p := range basis {
		want := make(monomial, len(basis))
		for i := 1; i < len(p); i += 2 {
			want[i-1] = p[i] // even multiples are zero in characteristic 2
		}
		got := make(monomial, len(basis))
		for i := 0; r>>i != 0; i++ {
			if r>>i&1 == 1 {
				for j, c := range basis[r^1<<i] {
					got[j] ^= c
				}
			}
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("basis polynomial %d: coefficient %d of the derivative is %#x, want %#x", r, i, got[i], want[i])
			}
		}
	}

	// Rows get that added.
	rnd := newRand(t)
	for n := 1; n <= 64; n *= 2 {
		tr := &transform{kernel: planes32(), memory: newMemory(n * 64), width: 64}
		fillRandom(tr.memory, rnd)
		want := bytes.Clone(tr.memory)
		for r := range n {
			for i := 0; r>>i != 0; i++ {
				if r>>i&1 == 1 {
					add(want[(r^1<<i)*64:][:64], tr.rows(r, 1))
				}
			}
		}
		tr.addDerivative(0, n)
		if !bytes.Equal(tr.memory, want) {
			t.Fatalf("%d rows: not the derivative", n)
		}
	}
}

func TestWalshHadamard(t *testing.T) {
	// Twice is n times, modulo 65535.
	rnd := newRand(t)
	for n := 1; n <= order; n *= 4 {
		a := make([]uint16, n)
		for i := range a {
			a[i] = uint16(rnd.Uint32())
		}
		b := append([]uint16(nil), a...)
		wht(b)
		wht(b)
		for i := range a {
			if got, want := uint32(b[i])%modulus, uint64(a[i])*uint64(n)%modulus; uint64(got) != want {
				t.Fatalf("%d numbers: number %d is %d, want %d", n, i, got, want)
			}
		}
	}
}

func TestTheLocatorIsTheProductOfDistances(t *testing.T) {
	f, rnd := theField(), newRand(t)
	for _, n := range []int{2, 64, 1024} {
		erased := newSet(n)
		var roots []int
		for i := range n {
			if rnd.IntN(3) == 0 {
				erased.put(i)
				roots = append(roots, i)
			}
		}
		l := newLocator(f, n)
		l.locate(erased)
		for p := range n {
			want := element(1)
			for _, q := range roots {
				if q != p {
					want = f.mul(want, element(p^q))
				}
			}
			if got := f.exp(l.logs[p]); got != want {
				t.Fatalf("%d points: at %d %#x, want %#x", n, p, got, want)
			}
		}
	}
}

func TestBothWaysOfRebuildingAgree(t *testing.T) {
	rnd := newRand(t)
	for _, shape := range [][2]int{{100, 100}, {50, 200}, {256, 129}} {
		g := newGroup(t, shape[0], shape[1], 64, rnd)
		used := rnd.Perm(g.k + g.m)[:g.k]
		var results [2][]byte
		for i, rebuild := range []func(*Decoder, *transform){(*Decoder).rebuildWhole, (*Decoder).rebuildHalf} {
			d := newTestDecoder(t, g.k, g.m, 64, planes32())
			d.Choose(used)
			for _, s := range used {
				copy(d.Row(s), g.shards[s])
			}
			rebuild(d, d.transform())
			for s := range g.k {
				if d.missing.has(d.point(s)) {
					results[i] = append(results[i], d.Row(s)...)
				}
			}
		}
		if len(results[0]) == 0 || !bytes.Equal(results[0], results[1]) {
			t.Errorf("%d+%d: the halves give something else than the whole", g.k, g.m)
		}
	}
}

func fillRandom(b []byte, rnd *rand.Rand) {
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
}
