// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
)

func TestRecordsTravelWithTheRows(t *testing.T) {
	// "Records travel with the rows (6.1): record j < R of a group just before
	// its row j*c; record R+q just before its row floor(q*(K+M)/Q)." spec.md 4.5
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		p, err := fec.Policy{
			Profile:   fec.Profile(rnd.IntN(4)),
			Parity:    100 * (rnd.IntN(120) - 1),
			ShardSize: 512 + proto.ShardUnit*rnd.IntN(130),
		}.Params(1 + rnd.Uint64N(1<<(10+rnd.IntN(28))))
		if errors.Is(err, fec.ErrPolicy) {
			continue // more parity than the code can make
		}
		geo, err := p.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		tree, err := geo.Tree()
		if errors.Is(err, proto.ErrNoTree) {
			continue
		}
		for row, want := range byRow(tree) {
			if records, n := recordsBefore(tree, row); !slices.Equal(records[:n], want) {
				t.Fatalf("%+v: records %v before row %d, want %v", tree, records[:n], row, want)
			}
		}
	}
}

// byRow returns the records that travel just before each row.
func byRow(t proto.Tree) [][]int {
	rows := make([][]int, t.K+t.M)
	for j := range t.Records {
		rows[j*t.Leaves] = append(rows[j*t.Leaves], j)
	}
	for q := range t.Parity {
		row := q * (t.K + t.M) / t.Parity
		rows[row] = append(rows[row], t.Records+q)
	}
	return rows
}

// noBytes are the digests of an object of which only headers are asked for.
type noBytes struct{ Digests }

func TestDigestsTravelBeforeTheirRowsInAnyOrderFromAnyStart(t *testing.T) {
	// "at that group's turn in the row": also before a virtual shard, which is
	// passed over itself.
	rnd := rand.New(rand.NewPCG(3, 4))
	for name, order := range map[string]Order{"rows": nil, "shuffled": shuffled, "thrice": thrice} {
		for range 30 {
			p := proto.Params{Code: proto.CodeLeopard8, K: 1 + rnd.IntN(40), M: 1 + rnd.IntN(40), ShardSize: 256}
			p.Size = 1 + rnd.Uint64N(uint64(5*p.K*p.ShardSize))
			if rnd.IntN(4) == 0 {
				p.Code, p.M = proto.CodeNone, 0
			}
			const loops = 2
			s, err := New(Config{Rate: -1, Loops: loops, Order: order, Start: rnd.IntN(10000)},
				&Object{Manifest: proto.Manifest{Descriptor: proto.Descriptor{Params: p}}, Digests: noBytes{}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			before := s.carousels[0].tracks[0]
			for !s.Done() {
				if h, ok := s.Next(time.Unix(1, 0)); ok && h.Type != proto.TypeManifest && h.Type != proto.TypeOutline {
					got = append(got, fmt.Sprintf("type %d group %d index %d", h.Type, h.Group, h.Index))
				}
			}
			want := turns(before, loops)
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%s, %+v: packet %d is %s, want %s", name, p, i, got[i], want[i])
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s, %+v: %d packets, want %d", name, p, len(got), len(want))
			}
		}
	}
}

// A walkTo is a walk of so many loops of an object's shards, all of which go to
// another place in every loop.
type walkTo struct {
	Walk
	times uint64
	place func(pos, lap, of uint64) uint64
}

func (w walkTo) Len() uint64 { return w.times * w.Walk.Len() }

func (w walkTo) At(pos, lap uint64) (group uint32, row int) {
	return w.Walk.At(w.place(pos, lap, w.Walk.Len()), lap)
}

// shuffled is an order in which neighbours are far apart, another one in every
// loop.
func shuffled(object proto.ObjectID, geo proto.Geometry) Walk {
	return walkTo{Rows(object, geo), 1, func(pos, lap, of uint64) uint64 {
		return uint64(rand.New(rand.NewPCG(of, lap)).Perm(int(of))[pos])
	}}
}

// thrice is an order in which every shard comes three times in succession.
func thrice(object proto.ObjectID, geo proto.Geometry) Walk {
	return walkTo{Rows(object, geo), 3, func(pos, _, _ uint64) uint64 { return pos / 3 }}
}

// turns returns what a single layer that has just been made sends in so many
// loops, beside manifests and outlines, turn by turn.
func turns(s track, loops int) (packets []string) {
	rows := byRow(s.tree)
	for range uint64(loops)*s.order.loop() - s.walked {
		group, row := s.order.at(s.pos)
		for _, record := range rows[row] {
			packets = append(packets, fmt.Sprintf("type %d group %d index %d", proto.TypeDigest, group, record))
		}
		switch {
		case row >= s.geo.K:
			packets = append(packets, fmt.Sprintf("type %d group %d index %d", proto.TypeParity, group, row))
		case !s.geo.Virtual(group, row):
			packets = append(packets, fmt.Sprintf("type %d group %d index %d", proto.TypeData, group, row))
		}
		s.advance(1)
	}
	return packets
}
