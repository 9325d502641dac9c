// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"fmt"
	"testing"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/sender"
)

func TestAppendDatagramsAllocatesNothing(t *testing.T) {
	// "Hot paths are pinned": data, parity, digests and manifests, parity and
	// digests in memory and in a file, in the clear and sealed. What is read
	// ahead goes to the same memory again and again.
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, test := range []struct {
		sender.PrepareConfig
		seal *seal.GroupKey
		most float64
	}{
		{sender.PrepareConfig{}, nil, 0},
		{sender.PrepareConfig{Memory: 1, Scratch: scratchInMemory}, nil, 0},
		{sender.PrepareConfig{}, group, 3 * 8}, // for the ids of three manifests
	} {
		o := prepare(t, randomFile(50_000), smallest(proto.CodeLeopard8, 50, 50), test.PrepareConfig)
		c := startObject(t, o, sender.Config{Rate: -1, Seal: test.seal})
		loop := 2 * 300
		buf := make([]byte, 0, loop*c.s.DatagramLen())
		once := func() {
			if _, err := c.s.AppendDatagrams(buf, epoch, loop); err != nil {
				t.Fatal(err)
			}
		}
		once()
		if got := testing.AllocsPerRun(10, once); got > test.most {
			t.Errorf("memory %d: %v allocations for %d datagrams, want %v", test.Memory, got, loop, test.most)
		}
	}
}

var benchParams = []proto.Params{
	{Code: proto.CodeLeopard8, K: 128, M: 128, ShardSize: 1152},
	{Code: proto.CodeLeopard16, K: 4096, M: 4096, ShardSize: 1152},
	{Code: proto.CodeLeopard8, K: 128, M: 64, ShardSize: 8832},
}

// benchmark runs a benchmark for files of 8 MiB, with digests and without.
func benchmark(b *testing.B, run func(b *testing.B, p proto.Params, cfg sender.PrepareConfig)) {
	for _, p := range benchParams {
		p.Size = 8 << 20
		for _, digests := range []bool{true, false} {
			b.Run(fmt.Sprintf("k=%d/m=%d/shard=%d/digests=%t", p.K, p.M, p.ShardSize, digests), func(b *testing.B) {
				run(b, p, sender.PrepareConfig{WithoutDigests: !digests})
			})
		}
	}
}

// BenchmarkAppendDatagrams makes packets of all types, as many of each as there
// are in a loop.
func BenchmarkAppendDatagrams(b *testing.B) {
	benchmark(b, func(b *testing.B, p proto.Params, cfg sender.PrepareConfig) {
		c := startObject(b, prepare(b, randomFile(int(p.Size)), p, cfg), sender.Config{Rate: -1})
		const batch = 64
		buf := make([]byte, 0, batch*c.s.DatagramLen())
		b.SetBytes(int64(batch * c.s.DatagramLen()))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.s.AppendDatagrams(buf, epoch, batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPrepare prepares a file in memory. MB/s counts the bytes of the file.
func BenchmarkPrepare(b *testing.B) {
	benchmark(b, func(b *testing.B, p proto.Params, cfg sender.PrepareConfig) {
		file := randomFile(int(p.Size))
		b.SetBytes(int64(p.Size))
		for b.Loop() {
			prepare(b, file, p, cfg)
		}
	})
}

// BenchmarkRun sends the packets of one loop to nowhere: all the work of a sender
// except the network, with the goroutine that reads ahead.
func BenchmarkRun(b *testing.B) {
	benchmark(b, func(b *testing.B, p proto.Params, cfg sender.PrepareConfig) {
		o := prepare(b, randomFile(int(p.Size)), p, cfg)
		var sent countingConn
		b.ReportAllocs()
		for b.Loop() {
			s, err := sender.New(sender.Config{Rate: -1, Loops: 1}, o)
			if err != nil {
				b.Fatal(err)
			}
			sent = countingConn{}
			if err := sender.Run(b.Context(), s, &sent, sender.RunOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(sent.bytes))
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sent.datagrams), "ns/datagram")
	})
}

// A countingConn is a [sender.Conn] to nowhere.
type countingConn struct{ bytes, datagrams int }

// WriteSegments implements [sender.Conn].
func (c *countingConn) WriteSegments(b []byte, segment int) error {
	c.bytes += len(b)
	c.datagrams += len(b) / segment
	return nil
}
