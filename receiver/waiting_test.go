// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"iotupd/proto"
)

// someShard returns a packet of object id, with a payload of its own.
func someShard(t *testing.T, rnd *rand.Rand, id byte, shardSize int) *packet {
	t.Helper()
	h := proto.Header{
		Type: proto.TypeData, Object: proto.ObjectID{id}, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1, Seq: rnd.Uint32()},
		Params: proto.Params{Code: proto.CodeNone, K: 10, ShardSize: shardSize, Size: uint64(10 * shardSize)},
	}
	b := h.AppendTo(nil)
	for range shardSize {
		b = append(b, byte(rnd.Uint32()))
	}
	proto.PutChecksum(b)
	return parsed(t, b)
}

func parsed(t *testing.T, b []byte) *packet {
	t.Helper()
	h, payload, err := proto.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return &packet{Header: h, datagram: b, payload: payload}
}

func TestTheLatestPacketsWait(t *testing.T) {
	// "A waitingRoom keeps the latest packets that arrived before the manifest of
	// their object, for all objects together"
	for _, sizes := range [][]int{{256}, {1152}, {proto.MaxShardSize}, {256, 320, 1152, 1344, proto.MaxShardSize}} {
		rnd := rand.New(rand.NewPCG(1, uint64(len(sizes))))
		var w waitingRoom
		var all []*packet
		now := time.Unix(0, 0)
		for range 2500 {
			p := someShard(t, rnd, byte(rnd.IntN(3)), sizes[rnd.IntN(len(sizes))])
			p.from.Interface = len(all)
			all = append(all, p)
			if !w.keep(now.Add(time.Duration(len(all))), p) {
				t.Fatal("a new packet was not kept")
			}
			if w.count > maxWaiting || w.used > waitingBytes {
				t.Fatalf("%d packets of %d bytes wait", w.count, w.used)
			}
		}
		dropped := len(all) - w.count
		if w.count < maxWaiting && w.used <= waitingBytes-proto.MaxDatagramLen {
			t.Errorf("sizes %v: %d packets wait, of %d bytes only", sizes, w.count, w.used)
		}
		kept := all[dropped:]
		mine := claimed(&w, proto.ObjectID{1})
		for i, p := range kept {
			if p.Object != (proto.ObjectID{1}) {
				continue
			}
			e := &mine[0]
			mine = mine[1:]
			if got := w.open(e); !bytes.Equal(got.datagram, p.datagram) || got.from != p.from || !e.at.Equal(now.Add(time.Duration(dropped+i+1))) {
				t.Fatalf("sizes %v: packet %d is another one, or from elsewhere", sizes, i)
			}
		}
		if len(mine) > 0 {
			t.Errorf("%d packets too many", len(mine))
		}
		for range w.count {
			w.next(always)
		}
		if _, ok := w.next(always); ok || w.bytes != nil {
			t.Errorf("in the end there is a packet: %v, %d bytes of memory", ok, len(w.bytes))
		}
	}
}

func TestCopiesWaitOnce(t *testing.T) {
	// Senders send the same packets, except for the path word, and a receiver may
	// get one of them on two interfaces. Different packets may have the same
	// checksum.
	rnd := rand.New(rand.NewPCG(1, 1))
	var w waitingRoom
	now := time.Unix(0, 0)
	first := someShard(t, rnd, 1, 1152)
	w.keep(now, first)
	copied := bytes.Clone(first.datagram)
	copied[proto.HeaderLen-3] ^= 0xff // of the path word
	if w.keep(now, parsed(t, copied)) {
		t.Error("a copy was kept")
	}
	other := bytes.Clone(first.datagram)
	other[100] ^= 1
	if !w.keep(now, parsed(t, other)) {
		t.Error("another packet with the same checksum was not kept")
	}
	if got := w.packet(0).copies; got != 1 || w.count != 2 {
		t.Errorf("%d copies, %d packets; want 1 and 2", got, w.count)
	}
	for range maxWaiting {
		w.keep(now, someShard(t, rnd, 1, 1152))
	}
	if !w.keep(now, first) {
		t.Error("a packet that was dropped counts as a copy")
	}
}

func TestRecordsAreTakenFirst(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var w waitingRoom
	var want []uint32
	for i := range uint32(40) {
		p := someShard(t, rnd, 1, 1152)
		if i%3 == 0 {
			p.Type = proto.TypeDigest
			want = slices.Insert(want, int(i/3), p.Path.Seq)
		} else {
			want = append(want, p.Path.Seq)
		}
		w.keep(time.Unix(0, 0), p)
	}
	w.keepOnly(proto.ObjectID{1})
	for i, seq := range want {
		if p, ok := w.next(always); !ok || p.Path.Seq != seq {
			t.Fatalf("packet %d is not the one that was to come", i)
		}
	}
}

func TestALargerRoomHasTheSamePackets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var w waitingRoom
	var want []uint32
	add := func() {
		p := someShard(t, rnd, 1, 1152)
		w.keep(time.Unix(int64(len(want)), 0), p)
		want = append(want, p.Path.Seq)
	}
	for range maxWaiting + 10 {
		add()
	}
	want = want[len(want)-w.count:]
	w.keepOnly(proto.ObjectID{1})
	w.next(always)
	want = want[1:]
	w.grow(3)
	for range maxWaiting {
		add()
	}
	for _, seq := range want {
		if p, ok := w.next(always); !ok || p.Path.Seq != seq {
			t.Fatalf("got packet %d, want %d", p.Path.Seq, seq)
		}
	}
	if _, ok := w.next(always); ok || w.bytes != nil {
		t.Error("there is more")
	}
}

func TestPacketsAreLeftInTheSocketWhileTheStoreOpens(t *testing.T) {
	// Reserving space may take long. New packets must not displace older ones.
	rnd := rand.New(rand.NewPCG(1, 1))
	r := &Receiver{object: &object{opening: true}}
	n := 0
	for ; !r.Busy(); n++ {
		if r.object.waiting.keep(time.Unix(0, 0), someShard(t, rnd, 1, 1152)); r.object.waiting.count != n+1 {
			t.Fatal("a packet was pushed out")
		}
	}
	if n < 500 {
		t.Errorf("busy with %d packets", n)
	}
}

func always(uint32) bool { return true }

// claimed has an object chosen and its packets claimed.
func claimed(w *waitingRoom, id proto.ObjectID) []waitingPacket {
	all := w.packetsOf(id)
	w.keepOnly(id)
	return all
}
