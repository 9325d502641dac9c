// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// smallest are parameters of the smallest shards, so that tests are fast.
func smallest(code proto.Code, k, m int) proto.Params {
	return proto.Params{Code: code, K: k, M: m, ShardSize: proto.MinShardSize}
}

// randomParams draws small objects of any code, with virtual shards, a short
// last shard, a single group or several.
func randomParams(rnd *rand.Rand) (p proto.Params, size int) {
	for {
		p = smallest(proto.Code(rnd.IntN(3)), 1+rnd.IntN(12), rnd.IntN(14))
		size = 1 + rnd.IntN(1+4*p.K*p.ShardSize)
		if p.Size = uint64(size); p.Validate() == nil {
			return p, size
		}
	}
}

func randomFile(size int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(size), byte(size>>8), byte(size>>16)
	file := make([]byte, size)
	rand.NewChaCha8(key).Read(file)
	return file
}

// prepare makes the object of a file.
func prepare(t testing.TB, file []byte, p proto.Params, cfg sender.PrepareConfig) *sender.Object {
	t.Helper()
	p.Size = uint64(len(file))
	o, err := sender.Prepare(t.Context(), bytes.NewReader(file), p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A carousel is a sender in virtual time. Its verbs narrate a test.
type carousel struct {
	t   testing.TB
	s   *sender.Sender
	geo proto.Geometry
	now time.Time
}

// A packet is a datagram that was sent, taken apart.
type packet struct {
	proto.Header
	payload []byte
	raw     []byte
	at      time.Time
}

// id says what a packet carries, for messages and comparisons.
func (p packet) id() string {
	return fmt.Sprintf("type %d group %d index %d", p.Type, p.Group, p.Index)
}

// start makes a file of size bytes and starts its carousel.
func start(t testing.TB, size int, p proto.Params, cfg sender.Config) *carousel {
	t.Helper()
	return startObject(t, prepare(t, randomFile(size), p, sender.PrepareConfig{}), cfg)
}

func startObject(t testing.TB, o *sender.Object, cfg sender.Config) *carousel {
	t.Helper()
	s, err := sender.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	geo, err := o.Manifest.Descriptor.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	return &carousel{t: t, s: s, geo: geo, now: epoch}
}

// next waits for the next packet. Whatever it is, it must be one that a
// receiver accepts.
func (c *carousel) next() packet {
	c.t.Helper()
	if at := c.s.Wake(); at.After(c.now) {
		c.now = at
	}
	b, err := c.s.AppendDatagrams(nil, c.now, 1)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(b) != c.s.DatagramLen() {
		c.t.Fatalf("%d bytes at the time of Wake, want one datagram of %d", len(b), c.s.DatagramLen())
	}
	return c.parse(b)
}

func (c *carousel) parse(b []byte) packet {
	c.t.Helper()
	h, payload, err := proto.Parse(b)
	if err != nil {
		c.t.Fatalf("sent a datagram that does not parse: %v", err)
	}
	if !proto.ChecksumOK(b) {
		c.t.Fatalf("sent a datagram with a wrong checksum: %+v", h)
	}
	if err := c.geo.Admits(&h); err != nil {
		c.t.Fatalf("sent a datagram that does not fit the object: %+v", h)
	}
	return packet{Header: h, payload: payload, raw: b, at: c.now}
}

// hasShard reports whether p carries a shard.
func (p packet) hasShard() bool { return p.Type == proto.TypeData || p.Type == proto.TypeParity }

// nextShard is next, past manifests and digests.
func (c *carousel) nextShard() packet {
	c.t.Helper()
	for {
		if p := c.next(); p.hasShard() {
			return p
		}
	}
}

// rest returns all packets until the carousel ends.
func (c *carousel) rest() (all []packet) {
	c.t.Helper()
	for !c.s.Done() {
		all = append(all, c.next())
	}
	return all
}

// shards returns the packets that carry shards.
func shards(all []packet) (some []packet) {
	for _, p := range all {
		if p.hasShard() {
			some = append(some, p)
		}
	}
	return some
}
