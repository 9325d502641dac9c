// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import "unsafe"

// An Encoder makes the parity of groups of one shape, one at a time. It is not
// safe for concurrent use.
type Encoder struct {
	shape
	kernel func(width int) kernel
	memory []byte
	needed set // rows that are parity shards
}

// NewEncoder returns an encoder for groups of k+m shards, which takes width
// bytes of every shard at most, a multiple of 64.
func NewEncoder(k, m, width int) (*Encoder, error) {
	s, err := newShape(k, m, width)
	if err != nil {
		return nil, err
	}
	e := &Encoder{shape: s, kernel: kernelFor, memory: newMemory(s.encodeRows() * width), needed: newSet(s.class)}
	e.needed.fill(0, m)
	return e, nil
}

// EncoderMemory returns the bytes that an encoder takes, without the tables.
func EncoderMemory(k, m, width int) int {
	s := shape{k: k, m: m, class: ceilPow2(m)}
	return s.encodeRows()*width + setMemory(s.class) + int(unsafe.Sizeof(Encoder{}))
}

// Encode makes the parity of n bytes of every shard, a multiple of 64. For
// i from 0 to K-1 data returns those of data shard i, for j from 0 to M-1
// parity returns where to put those of parity shard j, which must not be the
// memory of a data shard. Both are called once for each.
func (e *Encoder) Encode(n int, data, parity func(i int) []byte) {
	t := &transform{kernel: e.kernel(n), memory: e.memory, width: n}
	for chunk := 0; chunk < e.k; chunk += e.class {
		row := min(chunk, e.class) // the first chunk gathers the others
		t.first = e.class + chunk - row
		t.ifft(row, e.class, func(r int) bool {
			i := chunk + r - row
			if i >= e.k {
				return false
			}
			t.load(t.rows(r, 1), data(i)[:n], 1)
			return true
		})
		if chunk > 0 {
			t.add(0, row, e.class)
		}
	}
	t.first = 0
	t.fft(0, e.class, e.needed, func(r int) { t.store(parity(r)[:n], t.rows(r, 1), 1) })
}
