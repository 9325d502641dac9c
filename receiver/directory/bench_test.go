// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"iotupd/proto"
	"iotupd/proto/archive"
)

// A synthetic directory has files of about a size, whose content follows from their numbers.
type synthetic struct {
	m         *proto.Manifest
	inventory []byte
	archive   *archive.Reader
}

// contentOf writes content of file number i.
func contentOf(i int, b []byte, offset int64) {
	for len(b) > 0 {
		var block [32]byte
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(i)), uint64(offset/4096)))
		copy(block[:], sum[:])
		n := copy(b[:min(len(b), 4096-int(offset%4096))], repeated(block, int(offset%4096), len(b)))
		b, offset = b[n:], offset+int64(n)
	}
}

func repeated(block [32]byte, from, n int) []byte {
	b := make([]byte, 0, 4096)
	for i := from; i < 4096 && len(b) < n; i++ {
		b = append(b, block[i%32])
	}
	return b
}

// synthesize makes a directory of so many files, in directories of 1000.
func synthesize(t testing.TB, files int, size uint64) *synthetic {
	random := rand.New(rand.NewPCG(1, 2))
	entries := []archive.Entry{directory("").Entry}
	numbers := []int{0}
	for i := range files {
		if i%1000 == 0 {
			entries, numbers = append(entries, directory(fmt.Sprintf("part%04d", i/1000)).Entry), append(numbers, 0)
		}
		e := file(fmt.Sprintf("part%04d/file-%06d.txt", i/1000, i), "").Entry
		e.Size = size/2 + random.Uint64N(size) + 1
		h := sha256.New()
		b := make([]byte, 1<<16)
		for at := uint64(0); at < e.Size; at += uint64(len(b)) {
			b = b[:min(1<<16, e.Size-at)]
			contentOf(i, b, int64(at))
			h.Write(b)
		}
		h.Sum(e.SHA256[:0])
		entries, numbers = append(entries, e), append(numbers, i)
	}
	inventory, err := archive.Append(nil, entries)
	check(t, err)
	inv, err := archive.Parse(inventory, archive.MaxEntries)
	check(t, err)
	r := &archive.Reader{Inventory: inv, Content: func(i int, b []byte, offset int64) (int, error) {
		contentOf(numbers[i], b, offset)
		return len(b), nil
	}}
	p := proto.Params{Code: proto.CodeNone, K: 64, ShardSize: proto.DefaultShardSize, Size: inv.ArchiveSize()}
	q := p
	q.Size = uint64(len(inventory))
	m := &proto.Manifest{Name: "tree.tar", Descriptor: proto.Descriptor{Params: p, SHA256: [32]byte{1}}, Inventory: proto.Descriptor{Params: q}}
	return &synthetic{m, inventory, r}
}

// write writes the archive to a file, as the partial file has it.
func (s *synthetic) write(t testing.TB, path string) *os.File {
	f, err := os.Create(path)
	check(t, err)
	_, err = io.CopyBuffer(f, io.NewSectionReader(s.archive, 0, int64(s.m.Descriptor.Size)), make([]byte, 1<<20))
	check(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// heap is how many bytes of memory are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkExtract(b *testing.B) {
	for _, files := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			s := synthesize(b, files, 2000)
			in := s.write(b, filepath.Join(b.TempDir(), "archive"))
			b.SetBytes(int64(s.m.Descriptor.Size))
			for b.Loop() {
				r := newReceiver(b, Config{})
				_, err := r.Learn(context.Background(), s.m, s.inventory)
				check(b, err)
				_, err = r.Commit(context.Background(), s.m, in, nil)
				check(b, err)
			}
		})
	}
}

// BenchmarkLearn hashes a directory that iotupd did not make, and then looks the hashes up.
func BenchmarkLearn(b *testing.B) {
	for _, files := range []int{1000, 100_000} {
		s := synthesize(b, files, 2000)
		r := newReceiver(b, Config{})
		_, err := r.Learn(context.Background(), s.m, s.inventory)
		check(b, err)
		_, err = r.Commit(context.Background(), s.m, s.archive, nil)
		check(b, err)
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("files=%d/known=%v", files, known), func(b *testing.B) {
				b.SetBytes(int64(s.m.Descriptor.Size))
				cfg := Config{}
				place := r.Place.path
				if !known {
					cfg.Reuse, place = []string{r.in("tree")}, b.TempDir()
				}
				before := heap()
				other := &receiver{TB: b, Place: Open(place, cfg)}
				check(b, other.Prepare())
				defer other.Close()
				for b.Loop() {
					os.Remove(filepath.Join(place, ".tree"+hashesSuffix))
					_, err := other.Learn(context.Background(), s.m, s.inventory)
					check(b, err)
				}
				b.ReportMetric(float64(heap()-before)/float64(files), "heap-B/file")
			})
		}
	}
}
