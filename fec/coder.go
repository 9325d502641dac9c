// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"fmt"
	"sync"

	"github.com/klauspost/reedsolomon"

	"iotupd/proto"
)

// A coder runs the code of one object for one goroutine at a time. Its only
// cost beside the tables, which all coders share, is its workspace.
type coder struct {
	rs     reedsolomon.Encoder
	shards [][]byte // of the current call: K data, then M parity
}

// encodeWork and decodeWork return how many buffers of the size of a shard the
// code works in: the next power of two, and as many again to add a second
// block of data to the first.
func encodeWork(p proto.Params) int {
	m := ceilPow2(p.M)
	if p.K > m {
		return 2 * m
	}
	return m
}

func decodeWork(p proto.Params) int { return ceilPow2(p.K + ceilPow2(p.M)) }

// newCoder returns a coder with a workspace of so many buffers of width bytes,
// the most that a shard, or a strip of it, may have. It makes the tables of the
// code if they do not exist yet.
func newCoder(p proto.Params, work, width int) (*coder, error) {
	options := []reedsolomon.Option{
		// On by default, and wrong: its key leaves out which parity shards are
		// missing, so a second group can get the inversion of the first.
		reedsolomon.WithInversionCache(false),
		reedsolomon.WithWorkAllocator(&workspace{distinct: work, width: width}),
	}
	switch p.Code {
	case proto.CodeLeopard8:
		options = append(options, reedsolomon.WithLeopardGF(true))
	case proto.CodeLeopard16:
		options = append(options, reedsolomon.WithLeopardGF16(true))
	default:
		return nil, fmt.Errorf("fec: %v has no coder", p.Code)
	}
	// The library would silently take the other field for more than 256 shards.
	if !p.Code.Fits(p.K, p.M) {
		return nil, fmt.Errorf("fec: %v cannot make %d+%d shards", p.Code, p.K, p.M)
	}
	rs, err := reedsolomon.New(p.K, p.M, options...)
	if err != nil {
		return nil, fmt.Errorf("fec: %d+%d shards: %w", p.K, p.M, err)
	}
	return &coder{rs: rs, shards: make([][]byte, p.K+p.M)}, nil
}

// encode fills the parity shards from the data shards.
func (c *coder) encode() error { return c.rs.Encode(c.shards) }

// rebuild fills the data shards that have length 0, in their capacity, which
// may be the memory of a parity shard: the library has read its inputs, column
// by column, when it writes the results.
func (c *coder) rebuild() error { return c.rs.ReconstructData(c.shards) }

// bookkeeping returns what a coder takes beside its buffers at most, in bytes:
// slice headers, its own and the library's, and the end of its workspace.
func bookkeeping(p proto.Params) int {
	const header, end = 24, 32 << 10
	return 2*header*(p.K+p.M+decodeWork(p)) + end
}

// A workspace lends its coder the same memory for every call, and no more of it
// than the code uses. Left alone, the library takes 32 KiB for every shard of
// GF(2^8), however small the shards, buffers for a second block of data where
// there is one, and all that anew after some garbage collections.
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

// A crew is the coders that work on one strip of one group together.
type crew []*coder

func newCrew(p proto.Params, members, work, width int) (crew, error) {
	c := make(crew, members)
	for i := range c {
		var err error
		if c[i], err = newCoder(p, work, ceilUnit(width, members)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// ceilUnit returns the most bytes of width that [crew.columns] gives to one of
// so many members.
func ceilUnit(width, members int) int {
	units := width / proto.ShardUnit
	return (units + members - 1) / members * proto.ShardUnit
}

// split calls do for all of 0 to n-1, cut into one range for every member, at
// the same time. It returns, when all have, the error of the first that failed.
func (c crew) split(n int, do func(c *coder, from, to int) error) error {
	if len(c) == 1 {
		return do(c[0], 0, n)
	}
	errs := make([]error, len(c))
	var wg sync.WaitGroup
	for i := range c {
		wg.Go(func() { errs[i] = do(c[i], n*i/len(c), n*(i+1)/len(c)) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// columns is [crew.split] for the columns of a strip of width bytes.
func (c crew) columns(width int, do func(c *coder, from, to int) error) error {
	return c.split(width/proto.ShardUnit, func(c *coder, from, to int) error {
		if from == to {
			return nil
		}
		return do(c, from*proto.ShardUnit, to*proto.ShardUnit)
	})
}
