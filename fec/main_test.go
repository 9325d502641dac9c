// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"iotupd/internal/leak"
	"iotupd/proto"
)

var seedFlag = flag.Uint64("seed", 0, "replay the random tests of this `seed`; 0 draws one")

// newRand returns the generator of a test, and logs how to get it again.
func newRand(t *testing.T) *rand.Rand {
	seed := *seedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }

// An object is a file with its parity.
type object struct {
	proto.Geometry
	file   []byte
	parity [][]byte // by group
}

// newObject makes a file of random bytes and encodes it.
func newObject(t testing.TB, p proto.Params, rnd *rand.Rand) object {
	t.Helper()
	g, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	o := object{Geometry: g, file: make([]byte, p.Size)}
	var key [32]byte
	for i := range key {
		key[i] = byte(rnd.Uint32())
	}
	rand.NewChaCha8(key).Read(o.file)
	o.parity = encode(t, g, bytes.NewReader(o.file), EncodeConfig{})
	return o
}

// encode returns the parity of every group.
func encode(t testing.TB, g proto.Geometry, src io.ReaderAt, cfg EncodeConfig) [][]byte {
	t.Helper()
	parity := make([][]byte, g.Groups)
	cfg.Put = func(group uint32, first int, b []byte) error {
		if got := len(parity[group]); got != first*g.ShardSize {
			t.Errorf("%+v: parity shard %d of group %d after %d bytes", g.Params, first, group, got)
		}
		parity[group] = append(parity[group], b...)
		return nil
	}
	if err := Encode(context.Background(), g, src, cfg); err != nil {
		t.Fatalf("%+v: %v", g.Params, err)
	}
	for group, b := range parity {
		if want := g.M * g.ShardSize; len(b) != want {
			t.Fatalf("%+v: %d bytes of parity of group %d, want %d", g.Params, len(b), group, want)
		}
	}
	return parity
}

// shard returns a copy of a shard, zero where it lies past the end of the file.
func (o object) shard(group uint32, index int) []byte {
	b := make([]byte, o.ShardSize)
	if index >= o.K {
		copy(b, o.parity[group][(index-o.K)*o.ShardSize:])
	} else if !o.Virtual(group, index) {
		copy(b, o.file[o.Offset(group, index):])
	}
	return b
}

// A disk holds one group as a receiver does: a place for every data shard, and
// parity at the places of missing data shards. It fails on calls that break
// the promises of Group.
type disk struct {
	t      *testing.T
	object object
	group  uint32
	held   []int
	places [][]byte    // of data shards
	parked map[int]int // place of a held parity shard
}

// newDisk stores the held shards of a group, in this order.
func newDisk(t *testing.T, o object, group uint32, held []int) *disk {
	d := &disk{t: t, object: o, group: group, held: held, parked: make(map[int]int)}
	d.places = make([][]byte, o.K)
	for _, index := range held {
		if index < o.K {
			d.places[index] = o.shard(group, index)
		}
	}
	place := 0
	for _, index := range held {
		if index >= o.K {
			for place < o.K && d.places[place] != nil {
				place++
			}
			if place == o.K {
				break // surplus, no room
			}
			d.places[place] = o.shard(group, index)
			d.parked[index] = place
		}
	}
	for i := range d.places {
		if d.places[i] == nil {
			d.places[i] = make([]byte, o.ShardSize)
		}
	}
	return d
}

func (d *disk) read(index, column int, b []byte) error {
	place, ok := d.parked[index]
	if !ok {
		if index >= d.object.K {
			d.t.Errorf("parity shard %d was read, which has no place", index)
			return io.ErrUnexpectedEOF
		}
		place = index
	}
	copy(b, d.places[place][column:])
	return nil
}

func (d *disk) write(index, column int, b []byte) error {
	copy(d.places[index][column:], b)
	return nil
}

func (d *disk) asGroup() Group {
	return Group{Held: d.held, Read: d.read, Write: d.write}
}

// wantRestored fails unless every data shard is at its place.
func (d *disk) wantRestored(why string) {
	d.t.Helper()
	for i := range d.places {
		if !bytes.Equal(d.places[i], d.object.shard(d.group, i)) {
			d.t.Fatalf("%s: %+v: group %d: shard %d is not restored", why, d.object.Params, d.group, i)
		}
	}
}

// decoder returns a decoder, or ends the test.
func decoder(t testing.TB, p proto.Params, cfg DecoderConfig) *Decoder {
	t.Helper()
	d, err := NewDecoder(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
