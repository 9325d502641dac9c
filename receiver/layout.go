// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// A layout says where in the store the bytes of an object lie:
//
//	file | hash records | trailer
//
// The records begin at a multiple of [blockSize]. Without them there is the file
// alone. The shards of a group are in its places: data shard i has place i, in
// the file, and while the data shard is missing parity may be parked there. The
// last place of a file may be shorter than a shard; then parity for it is kept in
// memory.
type layout struct {
	geo     proto.Geometry
	records int64 // offset of the hash records
	trailer int64 // and of the trailer
}

// newLayout returns the layout of an object whose hash records take a number of bytes.
func newLayout(geo proto.Geometry, records int64) layout {
	l := layout{geo: geo, records: alignUp(int64(geo.Size))}
	l.trailer = l.records + records
	return l
}

func alignUp(offset int64) int64 { return (offset + blockSize - 1) / blockSize * blockSize }

// size returns the size of the store of an object with hash records.
func (l layout) size() int64 { return l.trailer + trailerLen }

// extent returns where a place is in the store, and its length.
func (l layout) extent(g uint32, place int) (offset int64, n int) {
	at, n := l.geo.Extent(g, place)
	return int64(at), n
}

// inTail reports whether parity that is parked in a place is not in the store, since
// the place is too short.
func (l layout) inTail(g uint32, place int) bool { return l.geo.ShardLen(g, place) < l.geo.ShardSize }

// read fills b with the shard that lies in a place, padded with zeros. Bytes that
// were never written are zero.
func (l layout) read(from io.ReaderAt, g uint32, place int, b []byte) error {
	offset, n := l.extent(g, place)
	clear(b)
	_, err := from.ReadAt(b[:n], offset)
	if err == io.EOF {
		err = nil
	}
	return storeError("read back", err)
}
