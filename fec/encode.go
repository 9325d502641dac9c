// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"context"
	"fmt"
	"io"
	"sync"

	"iotupd/proto"
)

// An EncodeConfig says what [Encode] does with parity, and with how much. Only
// Put is needed, and that only if there is parity.
type EncodeConfig struct {
	// Put takes parity of one group: some shards, end to end, the first of which
	// is parity shard first, 0 to M-1. Calls for one group come in order, one
	// after the other, when all data of the group have been read; calls for
	// different groups may be concurrent and come in any order. Put must not keep
	// parity. An error of Put ends Encode.
	Put func(group uint32, first int, parity []byte) error

	// Leaves, if not nil, takes the leaves of the hash tree (spec.md 4.2) of all
	// K+M shards of one group, DigestLen bytes each. It is called once for every
	// group, after its parity was put, for several groups concurrently, and must
	// not keep leaves. An error of Leaves ends Encode.
	Leaves func(group uint32, leaves []byte) error

	// ParityLeaves asks for the leaves of parity shards only, which are the last
	// M. The others are zero.
	ParityLeaves bool

	// Memory is the budget for buffers in bytes. If zero, DefaultMemory is used.
	// A group cannot take less than M*S + (K + 2*ceilPow2(M))*64 bytes for shards
	// of S bytes, M*64 more for the code over GF(2^8), and with Leaves about
	// (K+M)*16 + K*256 more. If Memory is less, that much is used nevertheless.
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
	q := &queue{geometry: g, most: p.batch, teams: p.teams}
	var wg sync.WaitGroup
	for range p.teams {
		wg.Go(func() {
			t, err := newTeam(g, src, cfg, p)
			if err == nil {
				err = t.run(ctx, q)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// A queue deals out the groups in order, in batches that do not cross the end
// of a segment. The last ones are smaller, so that all teams end at about the same
// time. It is safe for concurrent use.
type queue struct {
	geometry proto.Geometry
	most     int // groups of a batch
	teams    int

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
	share := max(1, (q.geometry.Groups-q.next)/uint64(2*q.teams))
	n = int(min(uint64(q.most), share, s.First+s.Groups-q.next))
	q.next += uint64(n)
	return first, n
}

// A team encodes batch after batch, with the same buffers.
type team struct {
	geometry proto.Geometry
	src      io.ReaderAt
	config   EncodeConfig
	plan     encodePlan

	encoders [][]encoder // of the members, each for some of the columns, by group of the batch; nil without parity
	window   []byte      // rows of a batch, or of a strip of one group, that were read last, or all
	parity   []byte      // of one group, where members or strips have parts of shards; else nil
	leaves   leaves
}

func newTeam(g proto.Geometry, src io.ReaderAt, cfg EncodeConfig, p encodePlan) (*team, error) {
	t := &team{geometry: g, src: src, config: cfg, plan: p, window: make([]byte, p.windowBytes(g))}
	if g.M > 0 { // else the members only read and hash
		n, width := p.encoders(columnUnit(g.Params))
		for range n {
			list, err := newEncoders(g.Params, width, p.batch)
			if err != nil {
				return nil, err
			}
			t.encoders = append(t.encoders, list)
		}
		if n := p.parityBytes(g); n > 0 {
			t.parity = make([]byte, n)
		}
	}
	if cfg.Leaves != nil {
		t.leaves = newLeaves(g.Params, p)
	}
	return t, nil
}

func (t *team) run(ctx context.Context, q *queue) error {
	for {
		first, n := q.take()
		if n == 0 {
			return nil
		}
		for column := 0; column < t.geometry.ShardSize; column += t.plan.width {
			width := min(t.plan.width, t.geometry.ShardSize-column)
			if err := t.strip(ctx, first, n, column, width); err != nil {
				return err
			}
		}
	}
}

// strip encodes width bytes from column of every shard of n groups, more than
// one only if that is the whole shard, and hands out the groups it completes.
func (t *team) strip(ctx context.Context, first uint32, n, column, width int) error {
	for member, list := range t.encoders {
		if from, to := t.columns(member, width); from < to {
			for _, e := range list[:n] {
				e.Start(to - from)
			}
		}
	}
	rows := max(1, min(len(t.window), t.plan.members*windowSize)/(n*width))
	for row := 0; row < t.geometry.K; row += rows {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.rows(first, n, row, min(rows, t.geometry.K-row), column, width); err != nil {
			return err
		}
	}
	for i := range n {
		if err := t.finish(first+uint32(i), i, column, width); err != nil {
			return err
		}
	}
	return nil
}

// rows reads, hashes and encodes so many rows of a strip, while they are in a cache.
func (t *team) rows(first uint32, n, row, rows, column, width int) error {
	length := n * width
	window := t.window
	if keepsData(t.geometry.Params) {
		window = window[row*length:]
	}
	err := inParallel(t.plan.members, func(member int) error {
		from, to := part(rows, member, t.plan.members)
		b := window[from*length : to*length]
		if err := t.read(first, n, row+from, column, width, b); err != nil {
			return err
		}
		t.leaves.hasher().rows(n, row+from, column, width, b)
		return nil
	})
	if err != nil || t.encoders == nil {
		return err
	}
	return inParallel(len(t.encoders), func(member int) error {
		from, to := t.columns(member, width)
		for i, e := range t.encoders[member][:n] {
			for r := 0; r < rows && from < to; r++ {
				e.Add(row+r, window[r*length+i*width:][from:to])
			}
		}
		return nil
	})
}

// columns returns which of width columns a member encodes.
func (t *team) columns(member, width int) (from, to int) {
	return columnPart(width, columnUnit(t.geometry.Params), member, len(t.encoders))
}

// finish makes the parity of group i of the batch, as much as a strip has of it, and
// hands it out with the leaves if that is all.
func (t *team) finish(group uint32, i, column, width int) error {
	g := t.geometry
	if t.encoders != nil && t.parity == nil {
		if err := t.putParts(group, i); err != nil {
			return err
		}
	} else if t.encoders != nil {
		t.gather(i, column, width)
	}
	if column+width < g.ShardSize {
		return nil
	}
	if t.parity != nil {
		err := inParallel(t.plan.members, func(member int) error {
			from, to := part(g.M, member, t.plan.members)
			t.leaves.hasher().parity(i, from, t.parity[from*g.ShardSize:to*g.ShardSize])
			return nil
		})
		if err == nil {
			err = t.config.Put(group, 0, t.parity)
		}
		if err != nil {
			return err
		}
	}
	if t.config.Leaves == nil {
		return nil
	}
	return t.config.Leaves(group, t.leaves.group(i))
}

// putParts hashes and puts the parity of group i of the batch as it is made, while it
// is in a cache.
func (t *team) putParts(group uint32, i int) (err error) {
	h := t.leaves.hasher()
	t.encoders[0][i].Finish(func(first int, parity []byte) {
		if err == nil {
			h.parity(i, first, parity)
			err = t.config.Put(group, first, parity)
		}
	})
	return err
}

// gather puts the columns that members have of a strip together.
func (t *team) gather(i, column, width int) {
	s := t.geometry.ShardSize
	inParallel(len(t.encoders), func(member int) error {
		from, to := t.columns(member, width)
		if n := to - from; n > 0 {
			t.encoders[member][i].Finish(func(first int, parity []byte) {
				for j := 0; j*n < len(parity); j++ {
					copy(t.parity[(first+j)*s+column+from:], parity[j*n:][:n])
				}
			})
		}
		return nil
	})
}

// read fills b with rows of a batch of n groups from group first on, width bytes from
// byte column of every shard on. What lies past the end of the file is zero.
func (t *team) read(first uint32, n, row, column, width int, b []byte) error {
	length := n * width
	if t.geometry.SegmentOf(first).Groups == uint64(n) && width == t.geometry.ShardSize {
		length = max(1, len(b)) // the rows follow each other
	}
	for ; len(b) > 0; b = b[length:] {
		if err := t.readAt(t.geometry.Offset(first, row)+uint64(column), b[:length]); err != nil {
			return err
		}
		row++
	}
	return nil
}

func (t *team) readAt(offset uint64, b []byte) error {
	size := t.geometry.Size
	inFile := int(min(uint64(len(b)), size-min(size, offset)))
	clear(b[inFile:])
	if inFile == 0 {
		return nil
	}
	n, err := t.src.ReadAt(b[:inFile], int64(offset))
	if n == inFile {
		return nil
	}
	if err == nil || err == io.EOF {
		return fmt.Errorf("fec: the file ends before its %d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("fec: read %d bytes at offset %d: %w", inFile, offset, err)
}
