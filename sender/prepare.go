// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"iotupd/fec"
	"iotupd/proto"
)

// DefaultMemory is how much parity and digests are kept in memory, in bytes,
// where PrepareConfig.Memory is zero.
const DefaultMemory = 256 << 20

// Scratch is a place for what does not fit into memory: a temporary file.
// WriteAt is called from several goroutines at once.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
}

// PrepareConfig limits what [Prepare] may use. The zero value is usable for files
// whose parity and digests fit into DefaultMemory.
type PrepareConfig struct {
	// Memory is how much parity and digests are kept in memory, in bytes, not
	// counting 32 bytes for every DIGEST packet. If zero, DefaultMemory is
	// used. The buffers of the encoder take half as much again, and are freed
	// when it is done.
	Memory int64

	// Scratch makes a place for so many bytes of parity and digests that do not
	// fit into Memory. If nil, such a file is refused.
	Scratch func(size int64) (Scratch, error)

	// Keep, if not nil, gets all parity and digests, KeepBytes bytes, for
	// [Restore]. Then there is no Scratch: parity and digests that do not fit
	// into Memory are read back from Keep, and verified.
	Keep Scratch

	// Repaired, if not nil, is called with a group of which something in Keep was
	// damaged, and with the reason why it could not be repaired, or nil. It is
	// called while the object is read, and an error that it returns becomes the
	// error of that read.
	Repaired func(group uint32, err error) error

	// Sparse makes an object that keeps nothing in memory of what it reads, so that it
	// reads for each packet. Sets of thousands of objects need that: the buffers of so many
	// would be too large. It excludes Keep.
	Sparse bool

	// WithoutDigests makes an object without a hash tree. Otherwise a file for
	// which a hash tree is not possible is refused with [proto.ErrNoTree].
	WithoutDigests bool

	// Progress, if not nil, is called with the fraction of the work that is done,
	// 0 to 1, from several goroutines but one at a time.
	Progress func(fraction float64)
}

func (cfg PrepareConfig) memory() int64 {
	if cfg.Memory == 0 {
		return DefaultMemory
	}
	return cfg.Memory
}

// Prepare reads a file once for its SHA-256 and once for its parity and its
// hash tree, on all cores, and returns the object that p makes of it. The
// manifest has nothing but its descriptor. The object reads src, and Keep or
// the scratch, as long as it is used.
func Prepare(ctx context.Context, src io.ReaderAt, p proto.Params, cfg PrepareConfig) (*Object, error) {
	if cfg.Sparse && cfg.Keep != nil {
		return nil, errors.New("sender: a sparse object cannot be kept")
	}
	geo, err := p.Geometry()
	if err != nil {
		return nil, err
	}
	d, err := cfg.places(geo)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := meter{total: d.work(), report: cfg.Progress}
	descriptor := proto.Descriptor{Params: p}
	hash := d.hashFile
	if d.together() {
		hash = d.hashTogether
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if descriptor.SHA256, err = hash(ctx, src, &work); err != nil {
			cancel(err)
		}
	})
	records, err := d.encode(ctx, src, int(cfg.memory()/2), &work)
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	nodes, err := records.finish(ctx, d)
	if err != nil {
		return nil, err
	}
	if nodes != nil {
		descriptor.Root = nodes.Root()
	}
	return d.object(src, descriptor, nodes, cfg), nil
}

// work returns how many bytes there are to hash and to encode.
func (d *derived) work() uint64 {
	n := d.geo.Size + d.parityBytes
	if d.hasTree() {
		n += d.geo.Groups * uint64(d.geo.K) * uint64(d.geo.ShardSize)
	}
	return n
}

func (d *derived) hasTree() bool { return d.recordBytes > 0 }

// encode makes parity and records, with so much memory for buffers. The caller
// has to call finish on the result, which is nil if there is no tree.
func (d *derived) encode(ctx context.Context, src io.ReaderAt, memory int, work *meter) (*recordWriter, error) {
	parity := parityStore{place: d.parity, geo: d.geo}
	cfg := fec.EncodeConfig{
		Memory: memory,
		Put: func(group uint32, first int, b []byte) error {
			work.add(len(b))
			return parity.put(group, first, b)
		},
	}
	if !d.hasTree() {
		return nil, fec.Encode(ctx, d.geo, src, cfg)
	}
	w := newRecordWriter(d)
	if w.together {
		cfg.ParityLeaves = true
		cfg.Leaves = func(group uint32, leaves []byte) error {
			w.putParity(group, leaves)
			return nil
		}
	} else {
		cfg.Leaves = func(group uint32, leaves []byte) error {
			work.add(d.geo.K * d.geo.ShardSize)
			return w.put(group, leaves)
		}
	}
	return w, fec.Encode(ctx, d.geo, src, cfg)
}

// object returns the object of a file, once all bytes have been derived from
// it.
func (d *derived) object(src io.ReaderAt, descriptor proto.Descriptor, nodes *proto.Nodes, cfg PrepareConfig) *Object {
	if cfg.Sparse {
		o := &Object{
			Manifest: proto.Manifest{Descriptor: descriptor},
			Shards:   &sparseShards{geo: d.geo, src: src, parity: d.parity},
		}
		if nodes != nil {
			o.Digests = &sparseDigests{sum: descriptor.SHA256, tree: d.tree, nodes: nodes, records: d.records}
		}
		return o
	}
	var keeper *keeper
	if cfg.Keep != nil && nodes != nil {
		keeper = newKeeper(d, nodes, src, cfg)
	}
	o := &Object{
		Manifest: proto.Manifest{Descriptor: descriptor},
		Shards:   &fileShards{geo: d.geo, src: src, parity: parityStore{place: d.parity, geo: d.geo, check: keeper.verifier()}},
	}
	if nodes != nil {
		o.Digests = &fileDigests{
			sum:     descriptor.SHA256,
			nodes:   nodes,
			records: recordStore{place: d.records, tree: d.tree},
			check:   keeper.verifier(),
		}
	}
	return o
}

// readFull fills b. A file that ends too early has been cut meanwhile.
func readFull(src io.ReaderAt, b []byte, offset int64) error {
	n, err := src.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at offset %d: %w", len(b), offset, err)
}

// A meter adds up work. It is safe for concurrent use.
type meter struct {
	mu          sync.Mutex
	done, total uint64
	report      func(fraction float64)
}

func (m *meter) add(bytes int) {
	if m.report == nil || bytes == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += uint64(bytes)
	m.report(float64(m.done) / float64(m.total))
}
