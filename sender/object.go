// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "iotupd/proto"

// Shards gives the bytes of an object's shards. It need not be safe for
// concurrent use.
type Shards interface {
	// AppendShard appends the ShardSize bytes of one shard to b: data shard
	// index of group below K, parity shard from K on. It is not asked for
	// virtual shards. On an error it returns b as it was.
	AppendShard(b []byte, group uint32, index int) ([]byte, error)
}

// An Object is what a [Sender] sends: a description, and the shards that the
// description commits to.
type Object struct {
	Manifest proto.Manifest
	Shards   Shards
}
