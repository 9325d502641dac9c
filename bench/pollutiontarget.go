// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/receiver"
)

// A target is a receiver, with bytes, and the attacker beside it, which gets the
// same packets as the receiver and sends it forged packets in between.
type target struct {
	byteSink
	*attack
	geo      proto.Geometry
	rnd      *rand.Rand
	file     func() []byte // that is to arrive
	datagram []byte        // that was forged last
	genuine  uint64        // DATA and PARITY packets heard
	damage   *damage

	// What the attacker of ForgeSmart knows of the receiver.
	held   []bool // shard group*(K+M) + index is there
	forged []bool // and it is not genuine
	counts []int  // held shards, by group
}

// newTarget returns the receiver of key, configured by cfg.
func (c *cell) newTarget(key simnet.Key, cfg receiver.Config) (sink, error) {
	shards := int(c.geo.Groups) * (c.geo.K + c.geo.M)
	v := &target{
		attack: c.attack, geo: c.geo, rnd: draw(key, "forge"),
		file:   func() []byte { return c.file(key) },
		damage: &c.attack.injuries[int(key.Trial)*c.Receivers+int(key.Receiver)],
		held:   make([]bool, shards), forged: make([]bool, shards), counts: make([]int, c.geo.Groups),
	}
	cfg.Observe = v.observe
	r, err := receiver.New(cfg)
	v.byteSink = byteSink{r}
	return v, err
}

func (v *target) received() uint64 { return v.genuine }

// hear takes a genuine packet, and then so many forged ones that they have
// their share.
func (v *target) hear(now time.Time, p *packet) error {
	from := receiver.Origin{Interface: p.from + 1}
	err := v.Handle(now, from, p.datagram)
	if err != receiver.ReasonUnverified { // its group was forged, and takes only verified shards
		if err := check(err); err != nil {
			return err
		}
	}
	if p.header.Type == proto.TypeData || p.header.Type == proto.TypeParity {
		v.genuine++
		v.learn(&p.header, err)
	}
	v.work(now)
	for !v.Done() && simnet.Probability(v.rnd.Uint64N(uint64(simnet.Certain))) < v.share {
		h := v.forge(p)
		err := v.Handle(now, from, v.datagram)
		if err := v.count(err); err != nil {
			return err
		}
		v.learn(&h, err)
		if err == nil {
			v.forged[v.shard(h.Group, h.Index)] = true
		}
		v.work(now)
	}
	return v.end()
}

// end records the result, once the receiver is done.
func (v *target) end() error {
	switch {
	case errors.Is(v.Err(), receiver.ErrIntegrity):
		v.damage.failed = true
	case v.Err() != nil:
		return v.Err()
	case v.Done():
		got := v.Store().(*memory).bytes[:v.geo.Size]
		v.damage.wrong = !bytes.Equal(got, v.file())
	}
	return nil
}

// count counts a forged packet by what the receiver made of it.
func (v *target) count(err error) error {
	v.damage.heard++
	switch err {
	case nil:
		v.damage.stored++
	case receiver.ReasonForged, receiver.ReasonUnverified:
		v.damage.refused++
	case receiver.ReasonDuplicate, receiver.ReasonNotNeeded:
	default:
		return fmt.Errorf("bench: internal error: a forged packet: %w", err)
	}
	return nil
}

// forge makes v.datagram: p with another shard in it, of bytes that no code
// gives.
func (v *target) forge(p *packet) proto.Header {
	h := p.header
	h.Group, h.Index = v.choose()
	h.Type, h.Offset = proto.TypeParity, 0
	if h.Index < v.geo.K {
		h.Type, h.Offset = proto.TypeData, v.geo.Offset(h.Group, h.Index)
	}
	v.datagram = h.AppendTo(v.datagram[:0])
	payload := len(v.datagram)
	v.datagram = append(v.datagram, p.datagram[len(p.datagram)-v.geo.ShardSize:]...)
	binary.BigEndian.PutUint64(v.datagram[payload:], v.rnd.Uint64())
	proto.PutChecksum(v.datagram)
	return h
}

// choose returns the shard to forge.
func (v *target) choose() (g uint32, index int) {
	if v.forgery == ForgeSmart {
		if g, index, ok := v.weakest(); ok {
			return g, index
		}
	}
	g = uint32(v.rnd.Uint64N(v.geo.Groups))
	switch n := v.geo.RealShards(g); v.forgery {
	case ForgeData:
		return g, v.rnd.IntN(n)
	case ForgeParity:
		return g, v.geo.K + v.rnd.IntN(v.geo.M)
	default:
		return g, v.sent(g, v.rnd.IntN(n+v.geo.M))
	}
}

// sent is number i of the shards of a group that are sent.
func (v *target) sent(g uint32, i int) int {
	if n := v.geo.RealShards(g); i >= n {
		return i + v.geo.K - n
	}
	return i
}

// weakest is a shard that the receiver lacks of the group that lacks the fewest,
// if any group lacks one.
func (v *target) weakest() (g uint32, index int, ok bool) {
	fewest := 0
	for i, held := range v.counts {
		if lacks := v.geo.RealShards(uint32(i)) - held; lacks > 0 && (!ok || lacks < fewest) {
			g, fewest, ok = uint32(i), lacks, true
		}
	}
	if !ok {
		return 0, 0, false
	}
	n := v.geo.RealShards(g) + v.geo.M
	for i := v.rnd.IntN(n); ; i = (i + 1) % n {
		if index = v.sent(g, i); !v.held[v.shard(g, index)] {
			return g, index, true
		}
	}
}

func (v *target) shard(g uint32, index int) int { return int(g)*(v.geo.K+v.geo.M) + index }

// learn takes note of what the receiver did with a shard.
func (v *target) learn(h *proto.Header, err error) {
	if i := v.shard(h.Group, h.Index); !v.held[i] && (err == nil || err == receiver.ReasonDuplicate) {
		v.held[i] = true
		v.counts[h.Group]++
	}
}

// observe is receiver.Config.Observe.
func (v *target) observe(_ time.Time, e receiver.Event) {
	switch e := e.(type) {
	case receiver.Forged:
		v.unlearn(e.Group, v.forged)
	case receiver.Corrupt:
		v.damage.restarts++
		dropped := v.held
		if v.digests {
			dropped = v.forged
		}
		for g := range v.counts {
			v.unlearn(uint32(g), dropped)
		}
	}
}

// unlearn takes note of shards that the receiver has dropped.
func (v *target) unlearn(g uint32, dropped []bool) {
	for i := v.shard(g, 0); i < v.shard(g+1, 0); i++ {
		if v.held[i] && dropped[i] {
			v.held[i] = false
			v.counts[g]--
		}
		v.forged[i] = v.forged[i] && v.held[i]
	}
}
