// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
)

// benchPolicies are those whose preparation is measured.
var benchPolicies = map[string]fec.Policy{
	"profile=standard": {},
	"profile=fast":     {Profile: fec.Fast},
}

func paramsOf(b *testing.B, policy fec.Policy, file []byte) proto.Params {
	b.Helper()
	p, err := policy.Params(uint64(len(file)))
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkPrepareProfile is all that comes before the first packet, of a file in memory,
// on all cores. BenchmarkFileHash is the part of it that one core does alone.
func BenchmarkPrepareProfile(b *testing.B) {
	file := randomFile(128 << 20)
	for name, policy := range benchPolicies {
		b.Run(name, func(b *testing.B) {
			p := paramsOf(b, policy, file)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sender.Prepare(b.Context(), bytes.NewReader(file), p, sender.PrepareConfig{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFileHash(b *testing.B) {
	file := randomFile(128 << 20)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		h := sha256.New()
		io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{bytes.NewReader(file)}, make([]byte, 128<<10))
		h.Sum(nil)
	}
}

// benchKept prepares a file of 32 MiB, and returns what is kept of it.
func benchKept(b *testing.B, policy fec.Policy) (file []byte, d proto.Descriptor, keep *scratch) {
	b.Helper()
	file = randomFile(32 << 20)
	p := paramsOf(b, policy, file)
	geo, err := p.Geometry()
	if err != nil {
		b.Fatal(err)
	}
	n, err := sender.PrepareConfig{}.KeepBytes(geo)
	if err != nil {
		b.Fatal(err)
	}
	keep = &scratch{b: make([]byte, n)}
	return file, prepare(b, file, p, sender.PrepareConfig{Keep: keep}).Manifest.Descriptor, keep
}

// BenchmarkRestore measures the work before the first packet of a file that is in
// the cache. MB/s counts the bytes of the file.
func BenchmarkRestore(b *testing.B) {
	for name, policy := range benchPolicies {
		b.Run(name, func(b *testing.B) {
			file, d, keep := benchKept(b, policy)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sender.Restore(b.Context(), bytes.NewReader(file), d, sender.PrepareConfig{Keep: keep}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifiedParity reads and verifies kept parity in the order of the
// carousel.
func BenchmarkVerifiedParity(b *testing.B) {
	for name, policy := range benchPolicies {
		b.Run(name, func(b *testing.B) {
			file, d, keep := benchKept(b, policy)
			o, err := sender.Restore(b.Context(), bytes.NewReader(file), d, sender.PrepareConfig{Keep: keep})
			if err != nil {
				b.Fatal(err)
			}
			next := nextParity(b, o)
			b.SetBytes(int64(d.ShardSize))
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}

// nextParity returns a function that reads one parity shard after the other, row by
// row.
func nextParity(t testing.TB, o *sender.Object) func() {
	geo, err := o.Manifest.Descriptor.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	group, index := uint32(0), geo.K
	buf := make([]byte, 0, geo.ShardSize)
	return func() {
		if _, err := o.Shards.AppendShard(buf, group, index); err != nil {
			t.Fatal(err)
		}
		if group++; uint64(group) == geo.Groups {
			if group, index = 0, index+1; index == geo.K+geo.M {
				index = geo.K
			}
		}
	}
}

func TestVerifyingDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	file := randomFile(1 << 20)
	want, keep := kept(t, file, proto.Params{Code: proto.CodeLeopard8, K: 100, M: 50, ShardSize: proto.DefaultShardSize})
	o, err := sender.Restore(t.Context(), bytes.NewReader(file), want.Manifest.Descriptor, sender.PrepareConfig{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	next := nextParity(t, o)
	loop := 50 * int(geometry(t, o).Groups)
	for range loop {
		next() // makes the buffers
	}
	if n := testing.AllocsPerRun(3*loop, next); n != 0 {
		t.Errorf("%v allocations a shard", n)
	}
}
