// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"slices"
	"unsafe"
)

// A Decoder rebuilds the missing data shards of groups of one shape, one group
// at a time: [Decoder.Choose] begins one. Then, for some columns after others,
// each of the shards that are used is written to [Decoder.Row] and
// [Decoder.Filled] called, [Decoder.Rebuild] works, and Row has the missing
// shards. It is not safe for concurrent use.
type Decoder struct {
	shape
	field   *field
	kernel  func(width int) kernel
	locator locator
	used    set   // points of shards that are used
	erased  set   // points of which nothing is known
	missing set   // points of data shards among them
	sums    []int // points of these if they are few, for a direct sum

	memory []byte // rows of all points, or of sums and the shard that is added
	width  int    // bytes of a row, now
}

// NewDecoder returns a decoder for groups of k+m shards. It holds width bytes of
// every shard at a time, a multiple of 64.
func NewDecoder(k, m, width int) (*Decoder, error) {
	s, err := newShape(k, m, width)
	if err != nil {
		return nil, err
	}
	n := s.points()
	return &Decoder{
		shape: s, field: theField(), kernel: kernelFor, locator: newLocator(theField(), n),
		used: newSet(n), erased: newSet(n), missing: newSet(n), sums: make([]int, 0, few),
		memory: newMemory(n * width), width: width,
	}, nil
}

// DecoderMemory returns the bytes that a decoder takes beside the tables.
func DecoderMemory(k, m, width int) int {
	n := shape{k: k, m: m, class: ceilPow2(m)}.points()
	return n*width + locatorMemory(n) + 3*setMemory(n) + 8*few + int(unsafe.Sizeof(Decoder{}))
}

// few is the number of missing shards up to which their sums are made directly:
// every shard times a factor for each of them, instead of transforms.
const few = 8

// Choose begins a group. used must list K of its shards, each once, 0 to K-1
// data and K to K+M-1 parity: only they will be read.
func (d *Decoder) Choose(used []int) {
	clear(d.used)
	clear(d.erased)
	clear(d.missing)
	for _, i := range used {
		d.used.put(d.point(i))
	}
	missing := 0
	d.sums = d.sums[:0]
	for p := range d.class + d.k {
		if d.used.has(p) {
			continue
		}
		d.erased.put(p)
		if p >= d.class {
			d.missing.put(p)
			if missing++; missing <= few {
				d.sums = append(d.sums, p)
			}
		}
	}
	if missing > few {
		d.sums = d.sums[:0]
	}
	d.locator.locate(d.erased)
}

// Direct reports whether the missing shards of this group are few, so that
// their sums are made directly: [Decoder.Filled] must be called for a shard
// before the row of the next one is written.
func (d *Decoder) Direct() bool { return len(d.sums) > 0 }

// Fit returns how many bytes of every shard of this group the decoder can hold
// at a time: the width that it was made for, or more where little is missing.
func (d *Decoder) Fit() int {
	rows := d.points()
	if d.Direct() {
		rows = len(d.sums) + 1
	}
	unit := Unit(len(d.memory) / d.points())
	return len(d.memory) / rows / unit * unit
}

// Columns sets the number of bytes of every shard that come next: a multiple of
// 64, at most [Decoder.Fit].
func (d *Decoder) Columns(n int) {
	d.width = n
	if d.Direct() {
		clear(d.memory[:len(d.sums)*n])
	}
}

// Row returns the buffer for the bytes of shard i. After [Decoder.Rebuild], the
// row of a missing shard holds its bytes.
func (d *Decoder) Row(i int) []byte {
	row := d.point(i)
	if d.Direct() {
		if row = slices.Index(d.sums, row); row < 0 {
			row = len(d.sums)
		}
	}
	return d.memory[row*d.width:][:d.width]
}

// Filled takes over the row of shard i.
func (d *Decoder) Filled(i int) {
	if !d.Direct() {
		return
	}
	// Lagrange's interpolation, where the products of all distances but those to
	// erased points cancel out: the shard at point q is the sum over all points p
	// of the shard at p, times L(p) / (L'(q) * (p-q)).
	t, p := d.transform(), d.point(i)
	y := t.rows(len(d.sums), 1)
	t.load(y, y, d.field.exp(d.locator.logs[p]))
	for row, q := range d.sums {
		divisor := addLogs(d.locator.logs[q], d.field.log(element(p^q)))
		t.addProduct(t.rows(row, 1), y, d.field.exp(modulus-divisor))
	}
}

// Rebuild computes the rows of the missing data shards from the rows of the
// chosen shards. The content of all other rows is undefined afterwards.
//
// The locator polynomial L has the erased points as its roots. Of f, which is L
// times the polynomial of the group, the values are known at all points: zero
// at the roots, L(p) times the shard at others. The derivative of f is, at a
// root q, L'(q) times the shard that is looked for. L(p) and L'(q) are the
// products of the distances to all roots, or all others: [locator] has the
// logarithms.
func (d *Decoder) Rebuild() {
	t := d.transform()
	if d.Direct() {
		for row := range d.sums {
			t.store(t.rows(row, 1), t.rows(row, 1), 1)
		}
		return
	}
	if d.points() == 2*d.class {
		d.rebuildHalf(t)
	} else {
		d.rebuildWhole(t)
	}
}

// rebuildWhole takes the values of f to its coefficients, and those of f + f'
// back to values: where shards are missing, f is zero.
func (d *Decoder) rebuildWhole(t *transform) {
	n := d.points()
	t.ifft(0, n, t.ifftBlock(d.load(t)))
	t.addDerivative(0, n)
	t.fft(0, n, d.missing, d.store(t))
}

// rebuildHalf is for K up to the class of M, where all data are in the second
// half of the points. Let a and b be the coefficients that each half has alone.
// Then f has a and a+b, and f' has a' + a + b and a' + b': the last level of the
// transform turns these into a + b + b' for the second half. There b contributes
// the values of f, which are irrelevant as above, so that a + b' remains.
func (d *Decoder) rebuildHalf(t *transform) {
	half := d.class
	for _, row := range []int{0, half} {
		if !t.ifft(row, half, t.ifftBlock(d.load(t))) {
			clear(t.rows(row, half))
		}
	}
	t.addDerivative(half, half)
	t.add(half, 0, half)
	t.fft(half, half, d.missing, d.store(t))
}

// load multiplies the rows of shards by L, store divides rebuilt ones by L'.
func (d *Decoder) load(t *transform) func(point int) bool {
	return func(p int) bool {
		if !d.used.has(p) {
			return false
		}
		t.load(t.rows(p, 1), t.rows(p, 1), d.field.exp(d.locator.logs[p]))
		return true
	}
}

func (d *Decoder) store(t *transform) func(point int) {
	return func(p int) {
		t.store(t.rows(p, 1), t.rows(p, 1), d.field.exp(modulus-d.locator.logs[p]))
	}
}

func (d *Decoder) transform() *transform {
	return &transform{kernel: d.kernel(d.width), memory: d.memory, width: d.width}
}
