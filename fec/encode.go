// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"iotupd/proto"
)

// An EncodeConfig says what [Encode] does with parity, and with how much. Only
// Put is needed, and that only if there is parity.
type EncodeConfig struct {
	// Put takes the parity of one group: M*ShardSize bytes, shard K first. It
	// is called once for every group, for several at the same time and in any
	// order, must not keep parity, and ends Encode by an error. Counting its
	// calls up to Groups tells the progress.
	Put func(group uint32, parity []byte) error

	// Leaves, if not nil, takes the leaves of the hash tree (spec.md 4.2) of all
	// K+M shards of one group, DigestLen bytes each. It is called as Put is,
	// and for every group before that.
	Leaves func(group uint32, leaves []byte) error

	// Memory is the budget for buffers in bytes. If zero, DefaultMemory is
	// used. A group cannot take less than M*S + (K + 2*ceilPow2(M))*64 bytes
	// for shards of S bytes, and with Leaves some (K+M)*16 + K*256 more. It is
	// encoded with so much if need be.
	Memory int

	// Workers is the number of cores to use. If zero, it is GOMAXPROCS.
	Workers int
}

// Encode makes the parity of all groups of g from the file src, which it reads
// from several goroutines at the same time, and hands it to cfg.Put. It hashes
// what passes by for cfg.Leaves; without parity that is all it does. It stops
// at the first error, of src, Put, Leaves or ctx, and returns it when all its
// goroutines have ended.
func Encode(ctx context.Context, g proto.Geometry, src io.ReaderAt, cfg EncodeConfig) error {
	if g.M == 0 && cfg.Leaves == nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := planEncode(g, cfg)
	q := &queue{geometry: g, most: p.batch}
	var wg sync.WaitGroup
	for range p.teams {
		wg.Go(func() {
			t := &team{geometry: g, src: src, config: cfg, plan: p}
			if err := t.run(ctx, q); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// An encodePlan divides cores and memory: every team encodes batches of groups
// of its own, its members share the columns of each group.
type encodePlan struct {
	teams, members int
	batch          int // groups that are read together, 1 unless width is the shard size
	width          int // bytes of every shard that are in memory at the same time
	leaves         bool
}

// readSize is how many bytes of a row are enough for one read: the shards of
// adjacent groups are adjacent in the file. More is hardly faster and leaves the cache.
const readSize = 32 << 10

func planEncode(g proto.Geometry, cfg EncodeConfig) encodePlan {
	memory, workers := cfg.Memory, cfg.Workers
	if memory <= 0 {
		memory = DefaultMemory
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := g.ShardSize
	p := encodePlan{teams: 1, members: 1, batch: 1, width: s, leaves: cfg.Leaves != nil}
	p.teams = int(min(uint64(max(1, memory/encodeMemory(g, p))), uint64(workers), g.Groups))
	p.members = max(1, min(workers/p.teams, s/minColumns))

	if spare := memory - encodeMemory(g, p); spare < 0 {
		p.width = widestStrip(s, columnUnit(g.Params), func(width int) bool {
			p.width = width
			return encodeMemory(g, p) <= memory
		})
	} else {
		most := int(min(g.Groups/uint64(p.teams), readSize/uint64(s)))
		p.batch = max(1, min(1+spare/(p.teams*(g.K*s+leavesMemory(g.Params, p))), most))
	}
	return p
}

// encodeMemory returns the bytes that encoding by p takes: the data of a
// batch and its leaves, the parity of one group and the encoders of its members,
// for every team.
func encodeMemory(g proto.Geometry, p encodePlan) int {
	data := p.batch * (g.K*p.width + leavesMemory(g.Params, p))
	parity := g.M * g.ShardSize
	n, width := p.encoders(columnUnit(g.Params))
	return p.teams * (data + parity + n*encoderMemory(g.Params, width))
}

// encoders returns how many members of a team encode, and how many columns each
// of them gets at most.
func (p encodePlan) encoders(unit int) (n, width int) {
	n = min(p.members, p.width/unit)
	return n, widestPart(p.width, unit, n)
}

// A queue deals out the groups in order, in batches that do not cross the end
// of a segment. It is safe for concurrent use.
type queue struct {
	geometry proto.Geometry
	most     int // groups of a batch

	mu   sync.Mutex
	next uint64
}

// take returns the first group and the number of groups of the next batch; no
// groups at the end.
func (q *queue) take() (first uint32, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == q.geometry.Groups {
		return 0, 0
	}
	first = uint32(q.next)
	s := q.geometry.SegmentOf(first)
	n = int(min(uint64(q.most), s.First+s.Groups-q.next))
	q.next += uint64(n)
	return first, n
}

// A team encodes batch after batch, with the same buffers.
type team struct {
	geometry proto.Geometry
	src      io.ReaderAt
	config   EncodeConfig
	plan     encodePlan

	encoders []encoder // of the members, each for some of the columns; nil without parity
	data     []byte    // row after row of a batch, or of a strip of one group
	parity   []byte    // shard after shard of one group
	leaves   leaves
}

func (t *team) run(ctx context.Context, q *queue) error {
	g := t.geometry
	if g.M > 0 { // else the members only read and hash
		n, width := t.plan.encoders(columnUnit(g.Params))
		for range n {
			e, err := newEncoder(g.Params, width)
			if err != nil {
				return err
			}
			t.encoders = append(t.encoders, e)
		}
	}
	t.data = make([]byte, g.K*t.plan.batch*t.plan.width)
	t.parity = make([]byte, g.M*g.ShardSize)
	if t.config.Leaves != nil {
		t.leaves = newLeaves(g.Params, t.plan)
	}
	for {
		first, n := q.take()
		if n == 0 {
			return nil
		}
		for column := 0; column < g.ShardSize; column += t.plan.width {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			width := min(t.plan.width, g.ShardSize-column)
			if err := t.strip(first, n, column, width); err != nil {
				return err
			}
		}
	}
}

// strip encodes width bytes from column of every shard of n groups, more than
// one only if that is the whole shard, and puts the groups it completes.
func (t *team) strip(first uint32, n, column, width int) error {
	k, s := t.geometry.K, t.geometry.ShardSize
	row := n * width
	err := inParallel(t.plan.members, func(member int) error {
		from, to := part(k, member, t.plan.members)
		h := t.leaves.hasher()
		for r := from; r < to; r++ {
			b := t.data[r*row:][:row]
			if err := t.read(first, r, column, b); err != nil {
				return err
			}
			h.row(r, column, b)
		}
		return nil
	})
	for i := 0; i < n && err == nil; i++ {
		t.encode(i, row, column, width)
		if column+width == s {
			err = t.put(first, i)
		}
	}
	return err
}

// encode makes width bytes from column of the parity of group i of the batch,
// whose rows have so many bytes.
func (t *team) encode(i, row, column, width int) {
	s := t.geometry.ShardSize
	inParallel(len(t.encoders), func(member int) error {
		from, to := columnPart(width, columnUnit(t.geometry.Params), member, len(t.encoders))
		if from < to {
			t.encoders[member].Encode(to-from,
				func(r int) []byte { return t.data[r*row+i*width:][from:to] },
				func(j int) []byte { return t.parity[j*s+column:][from:to] })
		}
		return nil
	})
}

// put hands out group i of the batch.
func (t *team) put(first uint32, i int) error {
	group, s := first+uint32(i), t.geometry.ShardSize
	if t.config.Leaves != nil {
		err := inParallel(t.plan.members, func(member int) error {
			from, to := part(t.geometry.M, member, t.plan.members)
			t.leaves.hasher().parity(i, from, t.parity[from*s:to*s])
			return nil
		})
		if err == nil {
			err = t.config.Leaves(group, t.leaves.group(i))
		}
		if err != nil {
			return err
		}
	}
	if t.geometry.M == 0 {
		return nil
	}
	return t.config.Put(group, t.parity)
}

// read fills b with row r of a batch that starts with group first, from byte
// column of the shard on. What lies past the end of the file is zero.
func (t *team) read(first uint32, r, column int, b []byte) error {
	g := t.geometry
	offset := g.Offset(first, r) + uint64(column)
	inFile := int(min(uint64(len(b)), g.Size-min(g.Size, offset)))
	clear(b[inFile:])
	if inFile == 0 {
		return nil
	}
	n, err := t.src.ReadAt(b[:inFile], int64(offset))
	if n == inFile {
		return nil
	}
	if err == nil || err == io.EOF {
		return fmt.Errorf("fec: the file ends before its %d bytes: %w", g.Size, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("fec: read %d bytes at offset %d: %w", inFile, offset, err)
}
