// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"iotupd/proto"
)

// errNotSaved means that what was kept is damaged, or is of another file.
var errNotSaved = errors.New("sender: what was kept does not belong to its descriptor")

// Restore returns the object that [Prepare] made, from what it wrote to Keep.
// It believes d that its SHA-256 is that of src, and nothing else: the records
// must give the root in d, and the parity must be what the records say. That is
// verified on all cores. An error that is not of ctx means that the file has to
// be prepared again.
//
// Of cfg it uses Memory, Keep, from which the object reads what does not fit
// there as long as it is used, and Progress.
func Restore(ctx context.Context, src io.ReaderAt, d proto.Descriptor, cfg PrepareConfig) (*Object, error) {
	geo, err := d.Geometry()
	if err != nil {
		return nil, err
	}
	cfg.WithoutDigests = false
	kept, err := cfg.places(geo)
	if err != nil {
		return nil, err
	}
	work := meter{total: kept.recordBytes + kept.parityBytes, report: cfg.Progress}
	nodes, err := kept.restoreRecords(ctx, &work)
	if err != nil {
		return nil, err
	}
	if nodes.Root() != d.Root {
		return nil, fmt.Errorf("%w: the root differs", errNotSaved)
	}
	if err := kept.restoreParity(ctx, &work); err != nil {
		return nil, err
	}
	return kept.object(src, d, nodes), nil
}

// restoreRecords reads all records, and returns the nodes over them.
func (d *derived) restoreRecords(ctx context.Context, work *meter) (*proto.Nodes, error) {
	t, store := d.tree, recordStore{place: d.records, tree: d.tree}
	records := make([]proto.Digest, t.Total())
	size := uint64(t.RecordLen())
	batch := max(1, hashBlock/size)
	err := onAllCores(ctx, (t.Total()+batch-1)/batch, func() func(uint64) error {
		h, buf := proto.NewHasher(), make([]byte, min(batch, t.Total())*size)
		return func(i uint64) error {
			first := i * batch // in the order of the store
			n := min(batch, t.Total()-first)
			b := store.into(buf, int64(first*size))[:n*size]
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

// restoreParity reads all parity, and compares it with the leaves in the
// records, which are good.
func (d *derived) restoreParity(ctx context.Context, work *meter) error {
	if d.geo.M == 0 {
		return nil
	}
	s := d.geo.ShardSize
	store := parityStore{place: d.parity, geo: d.geo}
	rows := min(d.geo.M, hashBlock/s)
	return onAllCores(ctx, d.geo.Groups, func() func(uint64) error {
		h, buf := proto.NewHasher(), make([]byte, rows*s)
		leaves := make([]byte, d.tree.Records*d.tree.RecordLen())
		return func(i uint64) error {
			group := uint32(i)
			if err := d.parityLeaves(leaves, group); err != nil {
				return err
			}
			for row := 0; row < d.geo.M; row += rows {
				at := store.position(group, row)
				b := store.into(buf, at)[:min(rows, d.geo.M-row)*s]
				if err := store.read(b, at); err != nil {
					return err
				}
				for j := range len(b) / s {
					leaf := h.Leaf(b[j*s:][:s])
					if !bytes.Equal(leaf[:], leaves[(d.geo.K+row+j)*proto.DigestLen:][:proto.DigestLen]) {
						return fmt.Errorf("%w: parity shard %d of group %d differs", errNotSaved, row+j, group)
					}
				}
				work.add(len(b))
			}
			return nil
		}
	})
}

// parityLeaves fills those of leaves, the leaves of a group, that are of parity.
func (d *derived) parityLeaves(leaves []byte, group uint32) error {
	store, n := recordStore{place: d.records, tree: d.tree}, d.tree.RecordLen()
	for i := d.geo.K / d.tree.Leaves; i < d.tree.Records; i++ {
		record, at := leaves[i*n:][:n], store.position(group, i)
		if store.memory != nil {
			copy(record, store.memory[at:])
		} else if err := store.read(record, at); err != nil {
			return err
		}
	}
	return nil
}

// into returns where bytes that are read from position at on belong: in the
// memory, or else in buf.
func (p *place) into(buf []byte, at int64) []byte {
	if p.memory != nil {
		return p.memory[at:]
	}
	return buf
}

// onAllCores calls do(0) to do(n-1), each made by one call of worker for every
// core, until one fails or ctx ends.
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
