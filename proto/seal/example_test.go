// SPDX-License-Identifier: GPL-2.0-or-later

package seal_test

import (
	"fmt"

	"iotupd/proto"
	"iotupd/proto/seal"
)

// While a key is replaced, receivers hold the old one and the new one.
func Example() {
	oldKey, newKey := seal.NewGroupKey(seal.Key{1}), seal.NewGroupKey(seal.Key{2})
	descriptor := proto.Descriptor{Params: proto.Params{K: 1, ShardSize: proto.MinShardSize, Size: 256}}

	// A sender that has the new one already.
	h := proto.Header{
		Type: proto.TypeData, Params: descriptor.Params,
		Sealed: true, KeyHint: newKey.Hint(), Object: newKey.Object(descriptor.Object()),
	}
	datagram := append(h.AppendTo(nil), make([]byte, h.ShardSize)...)
	datagram = newKey.Cipher(h.Object).Seal(&h, datagram)
	proto.PutChecksum(datagram)

	// A receiver. It keeps the cipher of each object that it follows.
	got, sealed, err := proto.Parse(datagram)
	if err != nil || !proto.ChecksumOK(datagram) {
		fmt.Println("ignored:", err)
		return
	}
	for i, group := range []*seal.GroupKey{oldKey, newKey} {
		if group.Hint() != got.KeyHint {
			continue
		}
		payload, err := group.Cipher(got.Object).Open(nil, &got, datagram, sealed)
		fmt.Printf("key %d: %d bytes, %v\n", i+1, len(payload), err)
		fmt.Println("of the object:", group.Object(descriptor.Object()) == got.Object)
	}
	// Output:
	// key 2: 256 bytes, <nil>
	// of the object: true
}
