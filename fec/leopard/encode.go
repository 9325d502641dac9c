// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import "unsafe"

// An Encoder makes the parity of groups of one shape, one at a time:
// [Encoder.Start] begins a group, [Encoder.Add] takes its data shards one after
// the other and keeps none of them, [Encoder.Finish] has the parity. It is not safe
// for concurrent use.
type Encoder struct {
	shape
	kernel func(width int) kernel
	memory []byte
	needed set // rows that are parity shards
	t      transform
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

// Start begins a group, of which n bytes of every shard are encoded: a multiple of
// 64.
func (e *Encoder) Start(n int) { e.t = transform{kernel: e.kernel(n), memory: e.memory, width: n} }

// Add takes data shard i. All shards have to come in order, from 0 to K-1.
func (e *Encoder) Add(i int, data []byte) {
	t := &e.t
	chunk := i &^ (e.class - 1) // of as many shards as there are points for parity
	row := min(chunk, e.class)  // the first chunk gathers the others
	t.first = e.class + chunk - row
	at := row + i - chunk
	t.load(t.rows(at, 1), data[:t.width], 1)

	// What is part of every block is done as soon as its last row comes, when it is
	// still in the nearest cache.
	part := min(t.blockRows()/2, e.class)
	end := at&(part-1) + 1
	last := i == e.k-1
	if end == part || last {
		t.butterflies(at+1-end, part, lowest(end))
	}
	if i-chunk < e.class-1 && !last {
		return
	}
	t.ifft(row, e.class, func(r, n int) bool { return r <= at && t.join(r, n, part, at+1-r) })
	if chunk > 0 {
		t.add(0, row, e.class)
	}
}

// readyBytes is about how much parity is handed out at once: so much that it is
// still in a cache near by.
const readyBytes = 64 << 10

// Finish makes the parity of a group of which all data shards were added. It calls
// ready for some parity shards after others, from shard first on, end to end. They
// are valid until ready returns.
func (e *Encoder) Finish(ready func(first int, parity []byte)) {
	t := &e.t
	t.first = 0
	next, rows := 0, max(1, readyBytes/t.width)
	t.fft(0, e.class, e.needed, func(r int) {
		t.store(t.rows(r, 1), t.rows(r, 1), 1)
		if r+1-next == rows || r+1 == e.m {
			ready(next, t.rows(next, r+1-next))
			next = r + 1
		}
	})
}

// Encode makes the parity of n bytes of every shard, a multiple of 64, in one call.
// For i from 0 to K-1 data returns those of data shard i, for j from 0 to M-1
// parity returns where to put those of parity shard j. Both are called once for
// each.
func (e *Encoder) Encode(n int, data, parity func(i int) []byte) {
	e.Start(n)
	for i := range e.k {
		e.Add(i, data(i))
	}
	e.Finish(func(first int, b []byte) {
		for ; len(b) > 0; b = b[n:] {
			copy(parity(first)[:n], b)
			first++
		}
	})
}
