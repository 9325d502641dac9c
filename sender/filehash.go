// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"crypto/sha256"
	"io"
	"runtime"

	"iotupd/proto"
)

const (
	// hashBlock is the size in bytes of the reads for the SHA-256. It is small,
	// so that bytes are hashed while they are in a cache of the processor.
	hashBlock = 128 << 10

	// Up to fewCores cores, the leaves of data shards are computed together
	// with the SHA-256 instead of together with the parity. The SHA-256 takes
	// longer then, on one core.
	fewCores = 4
)

// hashFile returns the SHA-256 of a file.
func (d *derived) hashFile(ctx context.Context, src io.ReaderAt, work *meter) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = d.readBlocks(ctx, src, hashBlock, func(b []byte) {
		h.Write(b)
		work.add(len(b))
	})
	return [sha256.Size]byte(h.Sum(nil)), err
}

// readBlocks reads a file from start to end, in blocks of so many bytes.
func (d *derived) readBlocks(ctx context.Context, src io.ReaderAt, block int, do func(b []byte)) error {
	buf := make([]byte, min(d.geo.Size, uint64(block)))
	for offset := uint64(0); offset < d.geo.Size && ctx.Err() == nil; {
		b := buf[:min(uint64(len(buf)), d.geo.Size-offset)]
		if err := readFull(src, b, int64(offset)); err != nil {
			return err
		}
		do(b)
		offset += uint64(len(b))
	}
	return nil
}

// together reports whether [derived.hashTogether] is to make the leaves of data.
func (d *derived) together() bool {
	_, gains := proto.NewFileHash()
	return gains && d.geo.M > 0 && d.hasTree() && d.records.memory != nil && runtime.GOMAXPROCS(0) <= fewCores
}

// hashTogether returns the SHA-256 of a file, and puts the leaves of all data shards
// where the records are in memory.
func (d *derived) hashTogether(ctx context.Context, src io.ReaderAt, work *meter) (sum [sha256.Size]byte, err error) {
	h, _ := proto.NewFileHash()
	s := d.geo.ShardSize
	records := recordStore{place: d.records, tree: d.tree}
	walk := dataWalk{geo: d.geo, segment: d.geo.SegmentOf(0)}
	put := func(leaf proto.Digest) { copy(records.leaf(walk.next()), leaf[:]) }
	var rest []byte // of the last shard
	err = d.readBlocks(ctx, src, max(1, hashBlock/s)*s, func(b []byte) {
		work.add(2 * len(b)) // hashed twice
		for ; len(b) >= s; b = b[s:] {
			put(h.Shard(b[:s]))
		}
		rest = b
	})
	if err != nil || ctx.Err() != nil {
		return sum, err
	}
	hasher, zero := proto.NewHasher(), make([]byte, s)
	virtual := d.geo.Groups*uint64(d.geo.K) - d.geo.DataShards
	if len(rest) > 0 {
		put(hasher.Leaf(append(rest[:len(rest):len(rest)], zero[len(rest):]...)))
	}
	leaf := hasher.Leaf(zero)
	for range virtual {
		put(leaf)
	}
	work.add(int(virtual)*s + (s-len(rest))%s)
	return h.Sum(rest), nil
}

// A dataWalk goes through all data shards in the order of the file, virtual ones too.
type dataWalk struct {
	geo     proto.Geometry
	segment proto.Segment
	column  uint64 // group within the segment
	row     int
}

// next returns the next one.
func (w *dataWalk) next() (group uint32, index int) {
	if w.column == w.segment.Groups {
		w.column = 0
		w.row++
	}
	if w.row == w.geo.K {
		w.row = 0
		w.segment = w.geo.SegmentOf(uint32(w.segment.First + w.segment.Groups))
	}
	w.column++
	return uint32(w.segment.First + w.column - 1), w.row
}
