// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// A pattern is a file that takes no space: each block has its number, and the same
// bytes after it.
type pattern struct{ size int64 }

const patternBlock = 4096

func (p pattern) ReadAt(b []byte, offset int64) (n int, err error) {
	if rest := p.size - offset; int64(len(b)) > rest {
		b, err = b[:max(rest, 0)], io.EOF
	}
	for n < len(b) {
		var block [patternBlock]byte
		at := offset + int64(n)
		binary.BigEndian.PutUint64(block[:], uint64(at/patternBlock))
		n += copy(b[n:], block[at%patternBlock:])
	}
	return n, err
}

// A sieve is a Store that keeps only blocks that differ from the pattern.
type sieve struct {
	pattern
	mu    sync.Mutex
	other map[int64]*[patternBlock]byte // by number
	most  int                           // that were kept at a time
}

func (s *sieve) WriteAt(b []byte, offset int64) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(b) {
		var want [patternBlock]byte
		number, from := (offset+int64(n))/patternBlock, (offset+int64(n))%patternBlock
		s.pattern.ReadAt(want[:], number*patternBlock)
		block := s.other[number]
		if block == nil {
			block = new([patternBlock]byte)
			*block = want
		}
		n += copy(block[from:], b[n:])
		if *block == want {
			delete(s.other, number)
		} else {
			s.other[number] = block
			s.most = max(s.most, len(s.other))
		}
	}
	return n, nil
}

func (s *sieve) ReadAt(b []byte, offset int64) (int, error) {
	n, err := s.pattern.ReadAt(b, offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := 0; at < n && len(s.other) > 0; {
		number, from := (offset+int64(at))/patternBlock, (offset+int64(at))%patternBlock
		piece := min(n-at, patternBlock-int(from))
		if block := s.other[number]; block != nil {
			copy(b[at:at+piece], block[from:])
		}
		at += piece
	}
	return n, err
}

func (*sieve) Reserve(int64) error { return nil }
func (*sieve) Sync() error         { return nil }
func (*sieve) Discard() error      { return nil }
func (*sieve) Found() int64        { return 0 }

// patternShards are the shards of a pattern. Only a few groups have right parity,
// since nobody keeps it.
type patternShards struct {
	t      *testing.T
	file   pattern
	geo    proto.Geometry
	lossy  []uint32
	parity map[uint32][]byte
}

func (s *patternShards) AppendShard(b []byte, group uint32, index int) ([]byte, error) {
	b = slices.Grow(b, s.geo.ShardSize)
	shard := b[len(b) : len(b)+s.geo.ShardSize]
	switch {
	case index < s.geo.K:
		n, _ := s.file.ReadAt(shard, int64(s.geo.Offset(group, index)))
		clear(shard[n:])
	case slices.Contains(s.lossy, group):
		copy(shard, s.encoded(group)[(index-s.geo.K)*s.geo.ShardSize:])
	}
	return b[:len(b)+len(shard)], nil
}

// encoded returns the parity of a group.
func (s *patternShards) encoded(group uint32) []byte {
	if s.parity[group] == nil {
		p := s.geo.Params
		p.Size = uint64(p.K * p.ShardSize)
		alone, err := p.Geometry()
		if err == nil {
			err = fec.Encode(context.Background(), alone, groupReader{s, group}, fec.EncodeConfig{Put: func(_ uint32, _ int, b []byte) error {
				s.parity[group] = append(s.parity[group], b...)
				return nil
			}})
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return s.parity[group]
}

// A groupReader reads the data shards of a group one after the other.
type groupReader struct {
	*patternShards
	group uint32
}

func (r groupReader) ReadAt(b []byte, offset int64) (n int, err error) {
	for size := int64(r.geo.ShardSize); n < len(b); {
		at := offset + int64(n)
		rest := b[n:min(len(b), n+int(size-at%size))]
		clear(rest) // a virtual shard, or the end of the file
		if !r.geo.Virtual(r.group, int(at/size)) {
			r.file.ReadAt(rest, int64(r.geo.Offset(r.group, int(at/size)))+at%size)
		}
		n += len(rest)
	}
	return n, nil
}

func TestAHundredGiBTakeTheMemoryOfTheirIndex(t *testing.T) {
	if os.Getenv("IOTUPD_LARGE") == "" {
		t.Skip("takes minutes; IOTUPD_LARGE=1 runs it")
	}
	file := pattern{size: 100<<30 + 12345}
	p, err := fec.Policy{}.Params(uint64(file.size))
	if err != nil {
		t.Fatal(err)
	}
	geo, _ := p.Geometry()
	// Lost are some shards of the first group, of two with shards near the offset 4 GiB,
	// and of the last.
	middle, _ := geo.DataShard(min(1<<32, uint64(file.size)/2) / uint64(p.ShardSize))
	shards := &patternShards{t: t, file: file, geo: geo, parity: make(map[uint32][]byte),
		lossy: []uint32{0, middle, middle + 1, uint32(geo.Groups) - 1}}
	lost := []int{1, p.K / 2, p.K/2 + 1}

	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, struct{ io.Reader }{io.NewSectionReader(file, 0, file.size)}, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	manifest := proto.Manifest{Name: "large", Descriptor: proto.Descriptor{Params: p, SHA256: [32]byte(hash.Sum(nil))}}
	s, err := sender.New(sender.Config{Rate: sender.MaxRate}, &sender.Object{Manifest: manifest, Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	store := &sieve{pattern: file, other: make(map[int64]*[patternBlock]byte)}
	r, err := receiver.New(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return store, nil }})
	if err != nil {
		t.Fatal(err)
	}

	work := func(now time.Time) {
		for j := r.NextJob(); j != nil; j = r.NextJob() {
			j.Run()
			r.Finish(now, j)
		}
	}
	now, n, most, dropped := epoch, s.DatagramLen(), uint64(0), 0
	for step := 0; !r.Done(); step++ {
		batch, err := s.AppendDatagrams(nil, now, 64)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(batch) > 0; batch = batch[n:] {
			h, _, err := proto.Parse(batch[:n])
			if err != nil {
				t.Fatal(err)
			}
			if h.Type == proto.TypeData && slices.Contains(shards.lossy, h.Group) && slices.Contains(lost, h.Index) {
				dropped++
				continue
			}
			if err := r.Handle(now, receiver.Origin{}, batch[:n]); err != nil && !errors.Is(err, receiver.ReasonNotNeeded) && !errors.Is(err, receiver.ReasonDuplicate) {
				t.Fatal(err)
			}
		}
		work(now)
		now = s.Wake().Add(time.Microsecond)
		if step%20_000 == 0 {
			most = max(most, liveHeap())
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	index := (geo.DataShards*2 + geo.Groups*uint64(2*p.M)) / 8
	parity := uint64(len(shards.lossy) * p.M * p.ShardSize) // of this test
	t.Logf("%d groups of %d+%d shards; %d lost, at most %d blocks that differ from the file; index %d MiB, live heap at most %d MiB, of it %d MiB of the test",
		geo.Groups, p.K, p.M, dropped, store.most, index>>20, most>>20, parity>>20)
	want := 0
	for _, g := range shards.lossy {
		for _, i := range lost {
			if !geo.Virtual(g, i) {
				want++
			}
		}
	}
	if dropped != want {
		t.Errorf("%d packets were lost, want %d", dropped, want)
	}
	if limit := index + parity + 64<<20; most > limit {
		t.Errorf("%d MiB of live heap, want at most %d", most>>20, limit>>20)
	}
}

// liveHeap returns what is in use after a collection, in bytes.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
