// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"errors"
	"slices"
	"sync/atomic"

	"iotupd/fec"
	"iotupd/proto"
)

// A decodeWork rebuilds a group that is full. If some of its shards are
// provisional, the rebuilt data is compared with the known leaves before anything
// is written.
type decodeWork struct {
	*object
	task    *decodeTask
	decoder *fec.Decoder
	checked bool // compare the result with leaves
	forged  bool // the result differs from a leaf
	err     error
}

func newDecodeWork(o *object, g uint32) *decodeWork {
	o.index.groups[g].apply(decodeStarted)
	w := &decodeWork{object: o, task: newDecodeTask(o, g)}
	w.decoder, w.err = o.decoders.get()
	w.checked = o.leaves != nil && !w.task.proven
	if w.checked {
		w.task.expectLeaves(o)
	}
	return w
}

func (w *decodeWork) run() error {
	if w.err != nil {
		return w.err
	}
	if w.err = w.task.readLeaves(); w.err != nil {
		return w.err
	}
	group := fec.Group{Held: w.task.held, Read: w.task.read, Write: w.task.write}
	if w.checked && (len(w.task.expected) > 0 || w.task.padded()) {
		group.Check = w.task.check
	}
	err := w.decoder.Decode(group)
	if w.forged = errors.Is(err, errForged); w.forged {
		return nil
	}
	return err
}

func (w *decodeWork) finish() error {
	g := w.task.group
	w.decoders.put(w.decoder)
	if w.forged {
		w.foundForged(g, 1) // at least
		w.dropUnverified(g)
		return nil
	}
	for _, i := range w.task.missing {
		w.index.rebuilt(g, i, w.task.trustOf(i))
	}
	w.decoded(g)
	return nil
}

// goodStrip is how many bytes of every shard a decoder should hold at a time
// before another decoder gets memory of its own.
const goodStrip = 256

// decoders are the decoders of an object. They share memory and processors.
type decoders struct {
	params  proto.Params
	groups  uint64
	memory  int // in bytes, of all together
	workers int
	idle    []*fec.Decoder
}

// atOnce is the number of groups that may be decoded in parallel: as many as there
// is memory for. The other processors work within a group.
func (d *decoders) atOnce() int {
	fit := max(1, d.memory/fec.DecoderMemory(d.params, goodStrip))
	return int(min(uint64(min(d.workers, fit)), d.groups))
}

// get returns an idle decoder, or makes one with its share of memory and
// processors.
func (d *decoders) get() (*fec.Decoder, error) {
	if n := len(d.idle); n > 0 {
		idle := d.idle[n-1]
		d.idle = d.idle[:n-1]
		return idle, nil
	}
	n := d.atOnce()
	return fec.NewDecoder(d.params, fec.DecoderConfig{
		Memory:  d.memory / n,
		Workers: (d.workers + n - 1) / n,
	})
}

// put takes a decoder back.
func (d *decoders) put(idle *fec.Decoder) { d.idle = append(d.idle, idle) }

// release gives the memory of idle decoders back.
func (d *decoders) release() { d.idle = nil }

// A decodeTask is one group at the moment when it was full. Nothing changes in
// the group until the task is finished, so it needs no lock.
type decodeTask struct {
	layout
	group uint32
	stop  *atomic.Bool // set: abort, the result is no longer wanted
	store Store
	tail  []byte
	held  []int       // shards at hand, virtual ones included
	place map[int]int // of a parked parity shard

	missing  []int                 // data shards to rebuild, in their order
	proven   bool                  // all that is held is verified
	expected map[int]*expectedLeaf // of missing shards; if empty, nothing is checked
	records  recordReader
}

// An expectedLeaf is compared with a rebuilt shard, which comes in pieces.
type expectedLeaf struct {
	leaf knownLeaf
	hash *proto.LeafHash // nil before the first and after the last piece
}

// errForged means that a rebuilt shard does not match its leaf, so that a shard
// that it was made from is forged.
var errForged = errors.New("receiver: rebuilt from a forged shard")

func newDecodeTask(o *object, g uint32) *decodeTask {
	grp := &o.index.groups[g]
	t := &decodeTask{
		layout: o.places.layout, group: g, stop: &o.aborted, store: o.places.queue.store, tail: o.places.tail,
		held:   make([]int, 0, o.geo.K),
		place:  make(map[int]int, len(grp.parked)),
		proven: grp.provisional == 0,
	}
	real := o.geo.RealShards(g)
	for i := range o.geo.K {
		if i >= real || o.index.hasShard(g, i) {
			t.held = append(t.held, i)
		} else {
			t.missing = append(t.missing, i)
		}
	}
	for _, p := range grp.parked {
		t.held = append(t.held, int(p.index))
		t.place[int(p.index)] = int(p.place)
	}
	return t
}

// expectLeaves makes the task compare rebuilt shards with the known leaves.
func (t *decodeTask) expectLeaves(o *object) {
	t.expected = make(map[int]*expectedLeaf)
	t.records = recordReader{leaves: o.leaves, store: t.store}
	for _, i := range t.missing {
		if leaf, known := o.leaves.leaf(t.group, i); known {
			t.expected[i] = &expectedLeaf{leaf: leaf}
		}
	}
}

// readLeaves reads the leaves that are to be compared.
func (t *decodeTask) readLeaves() error {
	for _, i := range t.missing {
		if e := t.expected[i]; e != nil {
			if err := t.records.complete(&e.leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// padded reports whether the rebuilt shards include the last one of the file,
// with its padding. The padding must be zero, and forged shards hardly ever
// decode to zeros.
func (t *decodeTask) padded() bool {
	n := len(t.missing)
	return n > 0 && t.geo.ShardLen(t.group, t.missing[n-1]) < t.geo.ShardSize
}

// check compares the bytes b of a rebuilt shard from column on.
func (t *decodeTask) check(shard, column int, b []byte) error {
	if end := t.geo.ShardLen(t.group, shard) - column; end < len(b) && !zero(b[max(end, 0):]) {
		return errForged
	}
	e := t.expected[shard]
	if e == nil {
		return nil
	}
	if column == 0 {
		e.hash = proto.NewLeafHash()
	}
	e.hash.Write(b)
	if column+len(b) < t.geo.ShardSize {
		return nil
	}
	leaf := e.hash.Leaf()
	e.hash = nil
	if leaf != e.leaf.Digest {
		return errForged
	}
	return nil
}

func zero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

// trustOf returns the trust level of a rebuilt shard: it is verified if it was
// compared, or made from verified shards only.
func (t *decodeTask) trustOf(shard int) trustLevel {
	if t.proven || t.expected[shard] != nil {
		return verified
	}
	return provisional
}

// read fills b with the bytes of a shard at hand from column on.
func (t *decodeTask) read(shard, column int, b []byte) error {
	if t.stop.Load() {
		return errAborted
	}
	place, parked := shard, shard >= t.geo.K
	if parked {
		place = t.place[shard]
	}
	offset, n := t.extent(t.group, place)
	if parked && n < t.geo.ShardSize {
		copy(b, t.tail[column:])
		return nil
	}
	stored := b[:min(max(n-column, 0), len(b))]
	clear(b[len(stored):])
	if len(stored) == 0 {
		return nil
	}
	_, err := t.store.ReadAt(stored, offset+int64(column))
	return storeError("read back", err)
}

// write stores the bytes b of a rebuilt data shard from column on.
func (t *decodeTask) write(shard, column int, b []byte) error {
	offset, n := t.extent(t.group, shard)
	b = b[:min(max(n-column, 0), len(b))]
	if len(b) == 0 {
		return nil
	}
	_, err := t.store.WriteAt(b, offset+int64(column))
	return storeError("write", err)
}
