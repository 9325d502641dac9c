// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"iotupd/fec"
	"iotupd/proto"
)

// DefaultMemory is how much parity is kept in memory, in bytes, unless told otherwise.
const DefaultMemory = 256 << 20

// hashBlock is the size in bytes of the reads for the SHA-256.
const hashBlock = 1 << 20

// Scratch is a place for parity that does not fit into memory: a temporary
// file. WriteAt is called from several goroutines at once.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
}

// PrepareConfig tells [Prepare] what it may use. The zero value is usable for
// files whose parity fits into DefaultMemory.
type PrepareConfig struct {
	// Memory is how much parity is kept in memory, in bytes. If zero,
	// DefaultMemory is used. The buffers of the encoder take half as much
	// again, and are freed when it is done.
	Memory int64

	// Scratch makes a place for so many bytes of parity that do not fit into
	// Memory. If nil, such a file is refused.
	Scratch func(size int64) (Scratch, error)

	// Progress, if not nil, is told how much of the work is done, 0 to 1. It
	// is called from several goroutines, one at a time.
	Progress func(fraction float64)
}

// Prepare reads a file once for its hash and once for its parity, on all
// cores, and returns the object that p makes of it. The manifest has nothing
// but its descriptor. The object reads src and the scratch as long as it is
// used.
func Prepare(ctx context.Context, src io.ReaderAt, p proto.Params, cfg PrepareConfig) (*Object, error) {
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	geo, err := p.Geometry()
	if err != nil {
		return nil, err
	}
	shards := &fileShards{geo: geo, src: src}
	if shards.parity, err = newParityStore(geo, cfg); err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := meter{total: ParityBytes(geo) + geo.Size, report: cfg.Progress}
	var sum [sha256.Size]byte
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if sum, err = hashFile(ctx, src, geo.Size, &work); err != nil {
			cancel(err)
		}
	})
	err = fec.Encode(ctx, geo, src, fec.EncodeConfig{
		Memory: int(cfg.Memory / 2),
		Put: func(group uint32, parity []byte) error {
			work.add(len(parity))
			return shards.parity.put(group, parity)
		},
	})
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	d := proto.Descriptor{Params: p, SHA256: sum}
	return &Object{Manifest: proto.Manifest{Descriptor: d}, Shards: shards}, nil
}

// ParityBytes returns the size in bytes of an object's parity, which a sender
// keeps in memory or on disk.
func ParityBytes(geo proto.Geometry) uint64 {
	return geo.Groups * uint64(geo.M) * uint64(geo.ShardSize)
}

func hashFile(ctx context.Context, src io.ReaderAt, size uint64, work *meter) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	buf := make([]byte, min(size, hashBlock))
	for offset := uint64(0); offset < size && ctx.Err() == nil; {
		b := buf[:min(uint64(len(buf)), size-offset)]
		if err := readFull(src, b, int64(offset)); err != nil {
			return sum, err
		}
		h.Write(b)
		offset += uint64(len(b))
		work.add(len(b))
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
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
	if m.report == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += uint64(bytes)
	m.report(float64(m.done) / float64(m.total))
}
