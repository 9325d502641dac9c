// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
)

// A scratch is a temporary file in memory. It can be made to fail.
type scratch struct {
	mu       sync.Mutex
	b        []byte
	readErr  error
	writeErr error
}

func scratchInMemory(size int64) (sender.Scratch, error) {
	return &scratch{b: make([]byte, size)}, nil
}

func (s *scratch) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr != nil {
		return 0, s.readErr
	}
	n := copy(b, s.b[min(off, int64(len(s.b))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (s *scratch) WriteAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return 0, s.writeErr
	}
	return copy(s.b[off:], b), nil
}

// A readerAt is a source made of a function.
type readerAt func(b []byte, off int64) (int, error)

func (f readerAt) ReadAt(b []byte, off int64) (int, error) { return f(b, off) }

func TestPrepareDescribesTheFile(t *testing.T) {
	for _, size := range []int{0, 1, 5000} {
		file := randomFile(size)
		p := smallest(proto.CodeNone, 1, 0)
		o := prepare(t, file, p, sender.PrepareConfig{WithoutDigests: true})
		p.Size = uint64(size)
		if got, want := o.Manifest.Descriptor, (proto.Descriptor{Params: p, SHA256: sha256.Sum256(file)}); got != want {
			t.Errorf("%d bytes: descriptor %+v, want %+v", size, got, want)
		}
		if o.Digests != nil {
			t.Errorf("%d bytes: digests that nobody asked for", size)
		}
	}
}

func TestParityAndDigestsInScratchAreTheSame(t *testing.T) {
	// Parity is kept "in memory within the budget, else in a temporary file".
	rnd := newRand(t)
	for range 40 {
		p, size := randomParams(rnd)
		if p.M == 0 {
			continue
		}
		file := randomFile(size)
		inMemory := prepare(t, file, p, sender.PrepareConfig{})
		asked := int64(0)
		cfg := sender.PrepareConfig{
			Memory:  1 + rnd.Int64N(30_000), // for nothing, records alone, parity alone, or both
			Scratch: func(n int64) (sender.Scratch, error) { asked = n; return scratchInMemory(n) },
		}
		inScratch := prepare(t, file, p, cfg)
		want, err := cfg.ScratchBytes(geometry(t, inMemory))
		if err != nil || asked != int64(want) {
			t.Errorf("%+v: asked for %d bytes of scratch, want %d (%v)", p, asked, want, err)
		}
		wantSameObject(t, inScratch, inMemory, rnd)
	}
}

func geometry(t *testing.T, o *sender.Object) proto.Geometry {
	t.Helper()
	geo, err := o.Manifest.Descriptor.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	return geo
}

// wantSameObject fails unless two objects give the same shards and digests, in
// any order.
func wantSameObject(t *testing.T, got, want *sender.Object, rnd *rand.Rand) {
	t.Helper()
	if got.Manifest.Descriptor != want.Manifest.Descriptor {
		t.Fatalf("descriptor %+v, want %+v", got.Manifest.Descriptor, want.Manifest.Descriptor)
	}
	geo := geometry(t, want)
	tree, err := geo.Tree()
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, group uint32, index int, append1, append2 func([]byte, uint32, int) ([]byte, error)) {
		a, errA := append1([]byte("x"), group, index)
		b, errB := append2([]byte("x"), group, index)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if len(a) != 1+geo.ShardSize || !bytes.Equal(a, b) {
			t.Fatalf("%+v: %s %d of group %d differs", geo.Params, what, index, group)
		}
	}
	for i, ok := tree.NextOutline(0); ok; i, ok = tree.NextOutline(i + 1) {
		same("outline", uint32(i), 0,
			func(b []byte, i uint32, _ int) ([]byte, error) { return got.Digests.AppendOutline(b, i) },
			func(b []byte, i uint32, _ int) ([]byte, error) { return want.Digests.AppendOutline(b, i) })
	}
	for range 100 {
		group, index := uint32(rnd.Uint64N(geo.Groups)), rnd.IntN(geo.K+geo.M)
		if index >= geo.K || !geo.Virtual(group, index) {
			same("shard", group, index, got.Shards.AppendShard, want.Shards.AppendShard)
		}
		same("record", group, rnd.IntN(tree.PerGroup()), got.Digests.AppendDigest, want.Digests.AppendDigest)
	}
}

func TestPrepareReportsItsProgress(t *testing.T) {
	// "Progress ... is called with the fraction of the work that is done, 0 to 1"
	var fractions []float64
	prepare(t, randomFile(3<<20), proto.Params{Code: proto.CodeLeopard8, K: 100, M: 50, ShardSize: 1152}, sender.PrepareConfig{
		Progress: func(fraction float64) { fractions = append(fractions, fraction) },
	})
	last := 0.0
	for _, f := range fractions {
		if f <= last || f > 1 {
			t.Fatalf("progress %v after %v", f, last)
		}
		last = f
	}
	if last != 1 || len(fractions) < 10 {
		t.Errorf("%d steps up to %v, want some up to 1", len(fractions), last)
	}
}

func TestPrepareStopsWhenCancelled(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	p := smallest(proto.CodeLeopard8, 10, 5)
	p.Size = 1 << 40 // endless, practically
	src := readerAt(func(b []byte, off int64) (int, error) {
		if off > 1<<20 {
			cancel(enough)
		}
		return len(b), nil
	})
	_, err := sender.Prepare(ctx, src, p, sender.PrepareConfig{
		Memory:         1,
		Scratch:        func(int64) (sender.Scratch, error) { return nowhere{}, nil },
		WithoutDigests: true,
	})
	if !errors.Is(err, enough) {
		t.Errorf("Prepare returned %v, want the cause of the cancelling", err)
	}
}

// nowhere is a scratch that keeps nothing.
type nowhere struct{}

func (nowhere) ReadAt([]byte, int64) (int, error)        { return 0, io.EOF }
func (nowhere) WriteAt(b []byte, off int64) (int, error) { return len(b), nil }

func TestPrepareFails(t *testing.T) {
	errBroken := errors.New("broken")
	good := readerAt(bytes.NewReader(randomFile(5000)).ReadAt)
	small := func(s *scratch) sender.PrepareConfig {
		return sender.PrepareConfig{Memory: 1, Scratch: func(n int64) (sender.Scratch, error) {
			s.b = make([]byte, n)
			return s, nil
		}}
	}
	tests := []struct {
		name string
		src  io.ReaderAt
		size uint64
		cfg  sender.PrepareConfig
		want error
	}{
		{"unreadable", readerAt(func([]byte, int64) (int, error) { return 0, errBroken }), 5000, sender.PrepareConfig{}, errBroken},
		{"unreadable end", readerAt(func(b []byte, off int64) (int, error) {
			if off+int64(len(b)) == 5000 {
				return 0, errBroken
			}
			return good(b, off)
		}), 5000, sender.PrepareConfig{}, errBroken},
		{"shorter than its size", good, 5001, sender.PrepareConfig{}, io.ErrUnexpectedEOF},
		{"no scratch", good, 5000, sender.PrepareConfig{Memory: 1}, nil},
		{"scratch cannot be made", good, 5000, sender.PrepareConfig{
			Memory: 1, Scratch: func(int64) (sender.Scratch, error) { return nil, errBroken },
		}, errBroken},
		{"scratch is full", good, 5000, small(&scratch{writeErr: errBroken}), errBroken},
		{"invalid parameters", good, 0, sender.PrepareConfig{}, proto.ErrParams},
		{"too large for a hash tree", good, 10_000_000, sender.PrepareConfig{}, proto.ErrNoTree},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := smallest(proto.CodeLeopard8, 4, 4)
			p.Size = test.size
			o, err := sender.Prepare(t.Context(), test.src, p, test.cfg)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("Prepare returned %v, %v, want %v", o, err, test.want)
			}
		})
	}
}

func TestAFailingSourceStopsTheSender(t *testing.T) {
	// "An error means that a shard could not be read; the datagrams before it
	// are in out."
	errGone := errors.New("medium removed")
	file := randomFile(200_000)
	whole := bytes.NewReader(file)
	broken := false
	src := readerAt(func(b []byte, off int64) (int, error) {
		if broken && off > 100_000 {
			return len(b) / 2, errGone
		}
		return whole.ReadAt(b, off)
	})
	p := smallest(proto.CodeLeopard8, 100, 20)
	p.Size = uint64(len(file))
	o, err := sender.Prepare(t.Context(), src, p, sender.PrepareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	wantFailure(t, o, file, errGone)
}

func TestAFailingScratchStopsTheSender(t *testing.T) {
	errGone := errors.New("medium removed")
	s := &scratch{}
	file := randomFile(50_000)
	o := prepare(t, file, smallest(proto.CodeLeopard8, 100, 20), sender.PrepareConfig{
		Memory: 1, Scratch: func(n int64) (sender.Scratch, error) { s.b = make([]byte, n); return s, nil },
	})
	s.readErr = errGone
	wantFailure(t, o, file, errGone)
}

// wantFailure fails unless a sender of o ends with want, having sent only true
// shards of file.
func wantFailure(t *testing.T, o *sender.Object, file []byte, want error) {
	t.Helper()
	c := startObject(t, o, sender.Config{Rate: -1})
	sent := 0
	for range 10_000 {
		b, err := c.s.AppendDatagrams(nil, c.now, 7)
		for ; len(b) > 0; b = b[c.s.DatagramLen():] {
			p := c.parse(b[:c.s.DatagramLen()])
			if n := c.geo.ShardLen(p.Group, p.Index); p.Type == proto.TypeData && !bytes.Equal(p.payload[:n], file[p.Offset:][:n]) {
				t.Fatalf("%s has wrong bytes", p.id())
			}
			sent++
		}
		if err != nil {
			if !errors.Is(err, want) || strings.Contains(err.Error(), "EOF") {
				t.Errorf("the sender ended with %v, want %v", err, want)
			}
			if sent == 0 {
				t.Error("nothing was sent before the failure")
			}
			return
		}
	}
	t.Error("the sender did not fail")
}

func TestAReadThatFailedLeavesNothingBehind(t *testing.T) {
	// A shard is never made of what a failed read left in a buffer.
	errGone := errors.New("medium removed")
	file := randomFile(50_000)
	broken := false
	src := readerAt(func(b []byte, off int64) (int, error) {
		if broken {
			return 0, errGone
		}
		return bytes.NewReader(file).ReadAt(b, off)
	})
	parity := &scratch{}
	p := smallest(proto.CodeLeopard8, 50, 20)
	p.Size = uint64(len(file))
	o, err := sender.Prepare(t.Context(), src, p, sender.PrepareConfig{
		Memory: 1, Scratch: func(n int64) (sender.Scratch, error) { parity.b = make([]byte, n); return parity, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []int{3, 53} {
		broken, parity.readErr = true, errGone
		for range 2 {
			if b, err := o.Shards.AppendShard([]byte("x"), 0, index); !errors.Is(err, errGone) || string(b) != "x" {
				t.Errorf("shard %d: %d bytes, %v, want %v", index, len(b), err, errGone)
			}
		}
		broken, parity.readErr = false, nil
		if b, err := o.Shards.AppendShard(nil, 0, index); err != nil || len(b) != p.ShardSize {
			t.Errorf("shard %d: %d bytes, %v after the medium came back", index, len(b), err)
		}
	}
}
