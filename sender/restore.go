// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"iotupd/proto"
)

// ErrNotKept is wrapped by the error of an object whose file has changed since
// [Prepare] kept data of it. The file has to be prepared again.
var ErrNotKept = errors.New("sender: the data that were kept do not belong to this file")

// Restore returns the object that [Prepare] made, from what it wrote to Keep.
// It reads only the nodes of the hash tree, which must yield the root in d. If
// they are missing or damaged, it reads the records instead, on all cores. An
// error that is not of ctx means that the file has to be prepared again.
//
// It trusts that the SHA-256 in d is the hash of src, and nothing else: the
// object compares every record and every parity shard with the tree when it reads
// them. Damaged ones are computed again from src and written to Keep: see
// PrepareConfig.Repaired. If src does not yield them, the error wraps
// [ErrNotKept].
//
// Of cfg it uses Memory, for repairs only, Keep, from which the object reads as long
// as it is used, Repaired and Progress.
func Restore(ctx context.Context, src io.ReaderAt, d proto.Descriptor, cfg PrepareConfig) (*Object, error) {
	geo, err := d.Geometry()
	if err != nil {
		return nil, err
	}
	cfg.WithoutDigests = false
	kept, err := cfg.sizes(geo)
	if err != nil {
		return nil, err
	}
	kept.keepIn(cfg.Keep)
	nodes, err := kept.restoreNodes()
	if err != nil || nodes.Root() != d.Root {
		work := meter{total: kept.recordBytes, report: cfg.Progress}
		if nodes, err = kept.restoreRecords(ctx, &work); err != nil {
			return nil, err
		}
	}
	if nodes.Root() != d.Root {
		return nil, fmt.Errorf("%w: the root differs", ErrNotKept)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return kept.object(src, d, nodes, cfg), nil
}

// restoreBlock is the size in bytes of reads of what was kept.
const restoreBlock = 1 << 20

// restoreNodes reads the nodes over the records.
func (d *derived) restoreNodes() (*proto.Nodes, error) {
	records, buf := make([]proto.Digest, d.tree.Total()), make([]byte, min(d.nodeBytes, restoreBlock))
	for at := uint64(0); at < d.nodeBytes; at += uint64(len(buf)) {
		buf = buf[:min(uint64(len(buf)), d.nodeBytes-at)]
		if err := d.nodes.read(buf, int64(at)); err != nil {
			return nil, err
		}
		for i := 0; i < len(buf); i += proto.DigestLen {
			records[(at+uint64(i))/proto.DigestLen] = proto.Digest(buf[i:])
		}
	}
	return proto.NewNodes(d.tree, records), nil
}

// keepNodes writes the nodes over the records.
func (d *derived) keepNodes(records []proto.Digest) error {
	buf := make([]byte, 0, min(d.nodeBytes, restoreBlock))
	at := int64(0)
	for i := range records {
		buf = append(buf, records[i][:]...)
		if len(buf) < cap(buf) {
			continue
		}
		if err := d.nodes.write(buf, at); err != nil {
			return err
		}
		at += int64(len(buf))
		buf = buf[:0]
	}
	return d.nodes.write(buf, at)
}

// restoreRecords reads all records, and returns the nodes over them.
func (d *derived) restoreRecords(ctx context.Context, work *meter) (*proto.Nodes, error) {
	t, store := d.tree, recordStore{place: d.records, tree: d.tree}
	records := make([]proto.Digest, t.Total())
	size := uint64(t.RecordLen())
	batch := max(1, restoreBlock/size)
	err := onAllCores(ctx, (t.Total()+batch-1)/batch, func() func(uint64) error {
		h, buf := proto.NewHasher(), make([]byte, min(batch, t.Total())*size)
		return func(i uint64) error {
			first := i * batch // in the order of the store
			n := min(batch, t.Total()-first)
			b := buf[:n*size]
			if err := store.read(b, int64(first*size)); err != nil {
				return err
			}
			for j := range n {
				index, group := (first+j)/t.Groups, (first+j)%t.Groups
				records[t.Number(uint32(group), int(index))] = h.Record(b[j*size:][:size])
			}
			work.add(len(b))
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	return proto.NewNodes(t, records), nil
}

// onAllCores calls do(0) to do(n-1) on all cores, until a call fails or ctx
// ends. Every core uses its own do, from one call of worker.
func onAllCores(ctx context.Context, n uint64, worker func() (do func(i uint64) error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range min(uint64(runtime.GOMAXPROCS(0)), n) {
		wg.Go(func() {
			do := worker()
			for i := next.Add(1) - 1; i < n && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
