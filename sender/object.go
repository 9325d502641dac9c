// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "iotupd/proto"

// Shards provides the bytes of an object's shards. It need not be safe for
// concurrent use.
type Shards interface {
	// AppendShard appends the ShardSize bytes of one shard of a group to b: a
	// data shard if index is below K, else a parity shard. It is not asked for
	// virtual shards. On an error it returns b as it was.
	AppendShard(b []byte, group uint32, index int) ([]byte, error)
}

// Digests provides the payloads of an object's DIGEST and OUTLINE packets
// (spec.md 4.5, 4.6). It need not be safe for concurrent use.
type Digests interface {
	// AppendDigest appends the ShardSize bytes of the payload that proves record
	// index of group to b. On an error it returns b as it was.
	AppendDigest(b []byte, group uint32, index int) ([]byte, error)
	// AppendOutline appends the ShardSize bytes of the payload that proves the
	// nodes over the records of a range to b. On an error it returns b as it was.
	AppendOutline(b []byte, number uint32) ([]byte, error)
}

// A viewer caches its last read. Each layer has a view of its own, since each
// reads at another place.
type viewer[T any] interface{ view() T }

// view returns another view of v, if v is one.
func view[T any](v T) T {
	if v, ok := any(v).(viewer[T]); ok {
		return v.view()
	}
	return v
}

// An Object is what a [Sender] sends: a description, and the shards and digests
// that the description commits to.
type Object struct {
	Manifest proto.Manifest
	Shards   Shards
	Digests  Digests // nil: the object has no digests, and its root is all zero
}
