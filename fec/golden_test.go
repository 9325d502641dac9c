// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"iotupd/proto"
)

// The vectors are part of the protocol: a library that no longer makes this
// parity cannot be used. -update is for new vectors, never for changed ones.
var update = flag.Bool("update", false, "rewrite the files of testdata")

const goldenHead = `# The parity of %[2]d+%[3]d shards of %[4]d bytes, code %[1]d (%[1]v), for other implementations.
# Byte i of data shard d, in unsigned arithmetic of 32 bits:
#   x = 65536*d + i; x ^= x>>16; x *= 0x7feb352d; x ^= x>>15; x *= 0x846ca68b; x ^= x>>16
#   byte = x mod 256
# A line for every parity shard: its index in the group, its first 16 bytes, its SHA-256.
# The last line has the SHA-256 of all parity shards, end to end.
`

func TestGolden(t *testing.T) {
	for _, v := range []struct {
		code     proto.Code
		k, m     int
		onlyHash bool // of all shards together
	}{
		{proto.CodeLeopard8, 2, 128, false},
		{proto.CodeLeopard8, 5, 3, false},
		{proto.CodeLeopard8, 64, 64, false},
		{proto.CodeLeopard8, 128, 128, false},
		{proto.CodeLeopard8, 192, 64, false},
		{proto.CodeLeopard16, 5, 3, false},
		{proto.CodeLeopard16, 200, 100, false},
		{proto.CodeLeopard16, 1000, 300, false},
		{proto.CodeLeopard16, 8192, 8192, true},
	} {
		name := fmt.Sprintf("%v-%d+%d.txt", v.code, v.k, v.m)
		t.Run(name, func(t *testing.T) {
			p := proto.Params{Code: v.code, K: v.k, M: v.m, ShardSize: proto.MinShardSize}
			p.Size = uint64(p.K * p.ShardSize)
			parity := encodeOne(t, p, bytes.NewReader(goldenFile(p.K, p.ShardSize)))

			var got bytes.Buffer
			fmt.Fprintf(&got, goldenHead, v.code, v.k, v.m, p.ShardSize)
			for j := 0; j < p.M && !v.onlyHash; j++ {
				shard := parity[j*p.ShardSize:][:p.ShardSize]
				fmt.Fprintf(&got, "%d %x %x\n", p.K+j, shard[:16], sha256.Sum256(shard))
			}
			fmt.Fprintf(&got, "all %x\n", sha256.Sum256(parity))
			compareGolden(t, filepath.Join("testdata", name), got.Bytes())
		})
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(gotLines), len(wantLines)) {
		if !bytes.Equal(gotLines[i], wantLines[i]) {
			t.Fatalf("%s:%d:\n got %s\nwant %s", path, i+1, gotLines[i], wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%s: got %d lines, want %d", path, len(gotLines), len(wantLines))
	}
}

// goldenFile returns k data shards of size bytes as the head of the files says.
func goldenFile(k, size int) []byte {
	file := make([]byte, 0, k*size)
	for d := range uint32(k) {
		for i := range uint32(size) {
			x := 65536*d + i
			x ^= x >> 16
			x *= 0x7feb352d
			x ^= x >> 15
			x *= 0x846ca68b
			x ^= x >> 16
			file = append(file, byte(x))
		}
	}
	return file
}
