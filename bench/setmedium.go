// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

func keyOf(seed uint64, trial int) simnet.Key {
	return simnet.Key{Seed: seed, Trial: uint64(trial)}
}

// beginSet makes the sender of several objects. newSink makes what listens to it.
func (a *medium) beginSet(ctx context.Context, key simnet.Key) (newSink func(simnet.Key) (sink, error), err error) {
	key.Receiver = 0 // the same for all
	x := a.mixture
	var members []sender.Member
	ids := make([]proto.ObjectID, len(x.Objects))
	for i, o := range x.Objects {
		object, err := x.object(ctx, key, i)
		if err != nil {
			return nil, err
		}
		ids[i] = object.Manifest.Descriptor.Object()
		members = append(members, sender.Member{Object: object, Weight: o.Weight})
	}
	s, err := sender.NewSet(sender.Config{Rate: a.Rate, Rand: draw(key, "sender")}, x.share, members...)
	if err != nil {
		return nil, err
	}
	source := headerSource{Sender: s}
	if a.WithBytes {
		a.sources = append(a.sources, &byteSource{source})
	} else {
		a.sources = append(a.sources, &source)
	}
	return func(key simnet.Key) (sink, error) {
		return a.newSetSink(ids, x.wanted[int(key.Trial)*x.Receivers+int(key.Receiver)])
	}, nil
}

// object returns an object of the set: random bytes, or just the hash of what might be
// one.
func (x *mixture) object(ctx context.Context, key simnet.Key, i int) (*sender.Object, error) {
	if x.WithBytes {
		b := make([]byte, x.Objects[i].Size)
		fill(b, draw(key, fmt.Sprint("file", i)))
		return sender.Prepare(ctx, bytes.NewReader(b), x.geos[i].Params, sender.PrepareConfig{
			Memory:         max(int64(sender.ParityBytes(x.geos[i])), sender.DefaultMemory),
			WithoutDigests: true,
		})
	}
	name := binary.BigEndian.AppendUint64([]byte("iotupd bench file"), key.Seed)
	name = binary.BigEndian.AppendUint64(name, key.Trial)
	d := proto.Descriptor{Params: x.geos[i].Params, SHA256: sha256.Sum256(append(name, byte(i)))}
	return &sender.Object{Manifest: proto.Manifest{Descriptor: d}}, nil
}

// A setSink is a receiver of some objects of a set, with a sink for each.
type setSink struct {
	sinks map[proto.ObjectID]sink
	left  int // sinks that are not done
}

func (c *cell) newSetSink(ids []proto.ObjectID, wanted []int) (sink, error) {
	all := &setSink{sinks: make(map[proto.ObjectID]sink), left: len(wanted)}
	for _, i := range wanted {
		var s sink
		index, err := receiver.NewIndex(c.mixture.geos[i])
		s = &indexSink{index: index}
		if c.WithBytes {
			var r *receiver.Receiver
			r, err = receiver.New(receiver.Config{
				MaxSize: maxSize, Workers: 1, Object: ids[i],
				Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
					return &memory{make([]byte, p.Size)}, nil
				},
			})
			s = &byteSink{r}
		}
		if err := check(err); err != nil {
			return nil, err
		}
		all.sinks[ids[i]] = s
	}
	return all, nil
}

func (s *setSink) done() bool { return s.left == 0 }

func (s *setSink) received() (n uint64) {
	for _, of := range s.sinks {
		n += of.received()
	}
	return n
}

// hear passes a packet to the sink of its object.
func (s *setSink) hear(now time.Time, p *packet) error {
	to := s.sinks[p.header.Object]
	if to == nil || to.done() {
		return nil
	}
	err := to.hear(now, p)
	if to.done() {
		s.left--
	}
	return err
}
