// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"testing"

	"iotupd/fec"
	"iotupd/proto"
)

func TestDecodersShareTheMemoryThereIs(t *testing.T) {
	// "buffers for decoding | 64 MiB" spec.md 7.5, on any number of processors
	p := proto.Params{Code: proto.CodeLeopard16, K: 8192, M: 8192, ShardSize: 1152, Size: 1 << 30}
	for _, workers := range []int{1, 2, 4, 16, 64} {
		d := decoders{params: p, groups: 15, memory: DefaultMemory, workers: workers}
		n := d.atOnce()
		if n < 1 || n > workers || n*fec.DecoderMemory(p, goodStrip) > DefaultMemory {
			t.Errorf("%d processors: %d decoders, which take %d bytes of %d", workers, n, n*fec.DecoderMemory(p, goodStrip), DefaultMemory)
		}
	}
	small := decoders{params: p, groups: 15, memory: 1 << 20, workers: 8}
	if n := small.atOnce(); n != 1 {
		t.Errorf("%d decoders in 1 MiB, want 1", n)
	}
}
