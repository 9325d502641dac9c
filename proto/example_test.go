// SPDX-License-Identifier: GPL-2.0-or-later

package proto_test

import (
	"crypto/sha256"
	"fmt"

	"iotupd/proto"
)

// A sender and a receiver share nothing but the datagram.
func Example() {
	file := []byte("hello\n")
	params := proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: uint64(len(file))}
	object := proto.Descriptor{Params: params, SHA256: sha256.Sum256(file)}.Object()

	h := proto.Header{
		Type:   proto.TypeData,
		Object: object,
		Params: params,
		Path:   proto.Path{Layers: 1, Sender: 1, Senders: 1},
	}
	datagram := append(h.AppendTo(nil), file...)
	datagram = append(datagram, make([]byte, params.ShardSize-len(file))...)
	proto.PutChecksum(datagram)

	got, payload, err := proto.Parse(datagram)
	if err != nil || !proto.ChecksumOK(datagram) {
		fmt.Println("ignored:", err)
		return
	}
	geo, err := got.Params.Geometry()
	if err != nil || geo.Admits(&got) != nil {
		fmt.Println("no such shard")
		return
	}
	n := geo.ShardLen(got.Group, got.Index)
	fmt.Printf("%d bytes of %v at %d: %q\n", n, got.Object, got.Offset, payload[:n])
	// Output: 6 bytes of 901d23541f77c66994fbf3ecfca326e1 at 0: "hello\n"
}

// Whoever has the file makes DIGEST packets of it, and a receiver needs nothing
// but the object id to believe one.
func ExampleTree_Descriptor() {
	file := []byte("hello\n")
	params := proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: uint64(len(file))}
	geo, err := params.Geometry()
	if err != nil {
		fmt.Println(err)
		return
	}
	tree, err := geo.Tree()
	if err != nil {
		fmt.Println(err)
		return
	}

	// The sender: the only record holds the leaf of the only shard.
	h := proto.NewHasher()
	shard := make([]byte, params.ShardSize)
	copy(shard, file)
	leaf := h.Leaf(shard)
	record := append(leaf[:], make([]byte, tree.RecordLen()-len(leaf))...)
	nodes := proto.NewNodes(tree, []proto.Digest{h.Record(record)})
	descriptor := proto.Descriptor{Params: params, SHA256: sha256.Sum256(file), Root: nodes.Root()}
	object := descriptor.Object()
	payload := proto.DigestRecord{
		SHA256: descriptor.SHA256,
		Proof:  nodes.AppendProof(nil, tree.Number(0, 0)),
		Record: record,
	}.AppendTo(nil, params.ShardSize)

	// The receiver.
	r, err := tree.ParseDigest(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	proved, err := tree.Descriptor(h, 0, 0, r)
	fmt.Println("of the object:", err == nil && proved.Object() == object)
	fmt.Println("shard verified:", h.Leaf(shard) == r.Leaf(0))
	// Output:
	// of the object: true
	// shard verified: true
}
