// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"fmt"
	"unsafe"

	"github.com/klauspost/reedsolomon"

	"iotupd/proto"
)

// coder8 is the code over GF(2^8) as the library has it, in a workspace of its
// own. Tables of less than 0.1 MB are shared by all.
type coder8 struct {
	params proto.Params
	rs     reedsolomon.Encoder
	shards [][]byte // of the current call: K data, then M parity
}

// newCoder8 returns a coder that works in so many buffers of width bytes, the
// most that a shard, or a column of it, may have.
func newCoder8(p proto.Params, buffers, width int) (*coder8, error) {
	rs, err := reedsolomon.New(p.K, p.M,
		reedsolomon.WithLeopardGF(true),
		// On by default, and wrong: its key leaves out which parity shards are
		// missing, so a second group can get the inversion of the first.
		reedsolomon.WithInversionCache(false),
		reedsolomon.WithWorkAllocator(&workspace{distinct: buffers, width: width}))
	if err != nil {
		return nil, fmt.Errorf("fec: %d+%d shards: %w", p.K, p.M, err)
	}
	return &coder8{params: p, rs: rs, shards: make([][]byte, p.K+p.M)}, nil
}

// refused reports what the library does not do for shards that are all of one
// size: an error here is a mistake of this package.
func refused(err error) {
	if err != nil {
		panic(fmt.Sprintf("fec: the code over GF(2^8): %v", err))
	}
}

// encode8Buffers and decode8Buffers return how many buffers of the size of a
// shard the code works in: the next power of two, and as many again to add a
// second block of data to the first.
func encode8Buffers(p proto.Params) int {
	m := ceilPow2(p.M)
	if p.K > m {
		return 2 * m
	}
	return m
}

func decode8Buffers(p proto.Params) int { return ceilPow2(p.K + ceilPow2(p.M)) }

func encoders8Memory(p proto.Params, width, groups int) int {
	const header = 24
	return (p.M+encode8Buffers(p))*width + bookkeeping8(p) + groups*(p.K*header+int(unsafe.Sizeof(encoder8{})))
}

func rebuilder8Memory(p proto.Params, width int) int {
	return (p.K+decode8Buffers(p))*width + bookkeeping8(p)
}

// bookkeeping8 returns what a coder takes beside its buffers at most, in bytes:
// slice headers, its own and the library's, and the end of its workspace.
func bookkeeping8(p proto.Params) int {
	const header, end = 24, 32 << 10
	return 3*header*(p.K+p.M+decode8Buffers(p)) + end
}

// encoder8 implements [encoder]. The library wants all shards of a group at once, so
// it keeps those that are added. Workspace and parity are shared with the encoders of
// other groups that are finished after it or before.
type encoder8 struct {
	*coder8
	data   [][]byte
	parity []byte // M shards
	n      int    // bytes of each, now
}

// newEncoders8 returns encoders for so many groups at a time.
func newEncoders8(p proto.Params, width, groups int) ([]encoder, error) {
	c, err := newCoder8(p, encode8Buffers(p), width)
	if err != nil {
		return nil, err
	}
	list, parity := make([]encoder, groups), make([]byte, p.M*width)
	for i := range list {
		list[i] = &encoder8{coder8: c, data: make([][]byte, p.K), parity: parity}
	}
	return list, nil
}

func (e *encoder8) Start(n int) { e.n = n }

func (e *encoder8) Add(i int, data []byte) { e.data[i] = data[:e.n] }

func (e *encoder8) Finish(ready func(first int, parity []byte)) {
	copy(e.shards, e.data)
	for j := range e.params.M {
		e.shards[e.params.K+j] = e.parity[j*e.n:][:e.n]
	}
	refused(e.rs.Encode(e.shards))
	ready(0, e.parity[:e.params.M*e.n])
}

// rebuilder8 implements [rebuilder]. Every data shard has a slot; in those of
// missing ones are the parity shards that are used, until these are replaced:
// the library has read its inputs, column by column, when it writes the results.
type rebuilder8 struct {
	*coder8
	memory []byte // K slots
	width  int    // of a slot, now
	slots  []int  // by shard: its slot, or -1 if it is not used
}

func newRebuilder8(p proto.Params, width int) (*rebuilder8, error) {
	c, err := newCoder8(p, decode8Buffers(p), width)
	return &rebuilder8{coder8: c, memory: make([]byte, p.K*width), width: width, slots: make([]int, p.K+p.M)}, err
}

func (r *rebuilder8) Choose(used []int) {
	for i := range r.slots {
		r.slots[i] = -1
	}
	for _, i := range used {
		if i < r.params.K {
			r.slots[i] = i
		}
	}
	slot := 0
	for _, i := range used {
		if i >= r.params.K {
			for r.slots[slot] >= 0 {
				slot++
			}
			r.slots[i] = slot
			slot++
		}
	}
}

func (r *rebuilder8) Direct() bool { return false }

func (r *rebuilder8) Fit() int { return len(r.memory) / r.params.K }

func (r *rebuilder8) Columns(n int) { r.width = n }

func (r *rebuilder8) Row(i int) []byte {
	slot := r.slots[i]
	if slot < 0 {
		slot = i // a missing data shard
	}
	return r.memory[slot*r.width:][:r.width]
}

func (r *rebuilder8) Filled(int) {}

func (r *rebuilder8) Rebuild() {
	for i := range r.shards {
		switch {
		case r.slots[i] >= 0:
			r.shards[i] = r.Row(i)
		case i < r.params.K:
			r.shards[i] = r.Row(i)[:0]
		default:
			r.shards[i] = nil
		}
	}
	refused(r.rs.ReconstructData(r.shards))
}

// A workspace lends its coder the same memory for every call, and no more of it
// than the code uses. By itself, the library takes 32 KiB for every shard of
// GF(2^8), however small the shards, and buffers for a second block of data where
// there is one. It allocates all that again after some garbage collections.
type workspace struct {
	distinct int // buffers that are used
	width    int // bytes of a buffer that are used
	memory   []byte
	buffers  [][]byte
}

// Get implements [reedsolomon.WorkAllocator]. Buffers, and parts of them, that
// will not be used lie over others.
func (w *workspace) Get(n, size int) [][]byte {
	stride := min(size, w.width)
	if need := (w.distinct-1)*stride + size; len(w.memory) < need {
		w.memory = reedsolomon.AllocAligned(1, need)[0]
	}
	if len(w.buffers) < n {
		w.buffers = make([][]byte, n)
	}
	for i := range n {
		w.buffers[i] = w.memory[i%w.distinct*stride:][:size]
	}
	return w.buffers[:n]
}

// Put implements [reedsolomon.WorkAllocator].
func (w *workspace) Put([][]byte) {}
