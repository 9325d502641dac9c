// SPDX-License-Identifier: GPL-2.0-or-later

// Package describe says what objects and manifests are, for people and as JSON,
// in the same way for every command.
package describe

import (
	"iotupd/proto"
)

// An ObjectEvent describes an object in JSON.
type ObjectEvent struct {
	Object string `json:"object"`
	Name   string `json:"name,omitempty"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
	Code   string `json:"fec_code"`
	K      int    `json:"k"`
	M      int    `json:"m"`
	Shard  int    `json:"shard_bytes"`

	From      string `json:"from,omitempty"`
	Interface string `json:"interface,omitempty"`
}

// NewObjectEvent describes an object of which only a packet is known.
func NewObjectEvent(id proto.ObjectID, p proto.Params) ObjectEvent {
	return ObjectEvent{
		Object: id.String(), Bytes: p.Size,
		Code: p.Code.String(), K: p.K, M: p.M, Shard: p.ShardSize,
	}
}

// Ignored returns the counts of ignored datagrams under the keys that JSON has.
func Ignored(m map[proto.Reason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(m))
	for reason, n := range m {
		out[string(reason)] = n
	}
	return out
}
