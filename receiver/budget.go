// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"iotupd/fec"
	"iotupd/proto"
)

const (
	tableBytes  = 1 << 20 // bounds the tables of the codes
	parkedBytes = 4       // of an index, for each parity shard that is parked
)

// A Need is how much memory a file takes while it is received, in bytes, beside
// the program and its sockets.
type Need struct {
	Least uint64 // with less, it cannot be received
	Fast  uint64 // with more, it is not decoded noticeably faster by one processor
}

// NeedOf returns what files with parameters p take. The error comes from
// [proto.Params.Geometry].
func NeedOf(p proto.Params) (Need, error) {
	geo, err := p.Geometry()
	if err != nil {
		return Need{}, err
	}
	return Need{
		Least: leastNeed(geo),
		Fast:  fixedNeed(geo) + uint64(min(DefaultLeafMemory, allRecords(geo))+fec.DecoderMemory(p, goodStrip)),
	}, nil
}

func leastNeed(geo proto.Geometry) uint64 {
	return fixedNeed(geo) + uint64(leastRecords(geo)+fec.DecoderMemory(geo.Params, proto.ShardUnit))
}

// fixedNeed returns the memory that a file takes whatever the limit: the index
// with as much parked parity as possible, tables, and the workspace that rebuilds
// hash records.
func fixedNeed(geo proto.Geometry) uint64 {
	need := indexBytes(geo) + parkedBytes*geo.Groups*uint64(min(geo.K, geo.M)) + tableBytes + (leastBatches+uint64(regions))*batchBytes
	if t, err := geo.Tree(); err == nil && t.Parity > 0 {
		records := proto.Params{Code: t.Code, K: t.Records, M: t.Parity, ShardSize: t.RecordLen()}
		need += uint64(t.PerGroup()*t.RecordLen() + fec.DecoderMemory(records, t.RecordLen()))
	}
	return need
}

// allRecords returns the bytes of all hash records, and leastRecords the size of
// the smallest useful cache.
func allRecords(geo proto.Geometry) int {
	t, err := geo.Tree()
	if err != nil {
		return 0
	}
	return int(min(t.Groups*uint64(t.Records)*uint64(t.RecordLen()), 1<<30))
}

func leastRecords(geo proto.Geometry) int { return min(64<<10, allRecords(geo)) }

// leastNeed is what a file takes at least with this configuration.
func (c Config) leastNeed(geo proto.Geometry) uint64 {
	if c.InMemory {
		return leastNeed(geo) + geo.Size
	}
	return leastNeed(geo)
}

// maxDecoderMemory is what decoders of the largest files take where
// Config.Memory is zero, in bytes. It is enough for two decoders that read
// every shard only once.
const maxDecoderMemory = 48 << 20

// decoderMemory is what decoders may take if the limit leaves as much.
func (c Config) decoderMemory(geo proto.Geometry) int {
	if c.Memory > 0 {
		return c.Memory
	}
	most := maxDecoderMemory
	if c.MemoryLimit > 0 {
		most = min(most, c.MemoryLimit/4)
	}
	return max(DefaultMemory, int(min(geo.Size/4, uint64(most))))
}

// A budget is how the memory of a file is divided, in bytes.
type budget struct{ decoders, records, batches int }

// budget divides the memory for a file, and reports whether the limit suffices.
func (c Config) budget(geo proto.Geometry) (b budget, fits bool) {
	b = budget{decoders: c.decoderMemory(geo), records: c.LeafMemory, batches: mostBatches}
	if c.MemoryLimit == 0 {
		return b, true
	}
	if c.leastNeed(geo) > uint64(c.MemoryLimit) {
		return b, false
	}
	rest := int64(uint64(c.MemoryLimit) - c.leastNeed(geo)) // beyond the least
	b.records = min(b.records, max(leastRecords(geo), int(min(rest, int64(c.MemoryLimit/16)))))
	rest -= int64(min(b.records, allRecords(geo)) - leastRecords(geo))
	b.batches = min(b.batches, max(leastBatches, c.MemoryLimit/64/batchBytes))
	rest = max(0, rest-int64(b.batches-leastBatches)*batchBytes)
	b.decoders = int(min(int64(b.decoders), rest+int64(fec.DecoderMemory(geo.Params, proto.ShardUnit))))
	return b, true
}
