// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"iotupd/proto"
)

type objectEvent struct {
	Object string `json:"object"`
	Name   string `json:"name,omitempty"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
	Code   string `json:"code"`
	K      int    `json:"k"`
	M      int    `json:"m"`
	Shard  int    `json:"shard_bytes"`

	From      string `json:"from,omitempty"`
	Interface string `json:"interface,omitempty"`
}

func newObjectEvent(id proto.ObjectID, p proto.Params) objectEvent {
	return objectEvent{
		Object: id.String(), Bytes: p.Size,
		Code: p.Code.String(), K: p.K, M: p.M, Shard: p.ShardSize,
	}
}

func ignored(m map[proto.Reason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(m))
	for reason, n := range m {
		out[string(reason)] = n
	}
	return out
}
