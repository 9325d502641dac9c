// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"iotupd/proto"
	"iotupd/proto/seal"
)

const (
	// DefaultRate is safe on 100 Mbit/s Ethernet and most Wi-Fi.
	DefaultRate = 10_000_000
	// MinRate sends a full packet of the default size every 0.16 s.
	MinRate = 64_000
	// MaxRate is beyond any network.
	MaxRate = 1_000_000_000_000
	// MaxSenders is the highest number of coordinated senders (spec.md 6.2).
	MaxSenders = 16
)

// ValidRate reports whether layer 0 can have a rate, in bits per second: MinRate
// to MaxRate.
func ValidRate(rate int64) bool { return rate >= MinRate && rate <= MaxRate }

// TotalRate returns the rate of so many layers together, in the unit of base, the
// rate of layer 0: each further layer doubles it (spec.md 10).
func TotalRate(base int64, layers int) int64 { return base << (layers - 1) }

// ValidSender reports whether there can be a sender number i of n: 1 to n, which
// is at most MaxSenders.
func ValidSender(i, n int) bool { return i >= 1 && i <= n && n <= MaxSenders }

// byePackets is the number of manifests that announce the end (spec.md 5.4).
const byePackets = 4

// Config says how a [Sender] sends. The zero value is usable.
type Config struct {
	// Rate is the rate of layer 0 in bits per second of whole IP packets, of
	// all types. If zero, DefaultRate is used. A negative rate means unlimited:
	// [Run] sends as fast as the interface allows. This needs a single layer,
	// and an interface that reports how much waits in its queue.
	Rate int64

	// LinkRate is the rate of the link in bits per second of Ethernet frames. It
	// limits sending without a Rate. If zero, it is not known.
	LinkRate int64

	// Layers is the number of layers (spec.md 10), 1 to [proto.MaxLayers]. Layer
	// 1 has the rate of layer 0, and each further layer twice the rate of the
	// layer below: all together [TotalRate], at most MaxRate. If zero, 1.
	Layers int

	// Overhead is what IP and UDP add to every datagram, in bytes. If zero,
	// [proto.IPv6Overhead] is used.
	Overhead int

	// Sender is the number, 1 to Senders, of this sender among Senders
	// coordinated ones: its carousel starts at (Sender-1)/Senders of a loop. If
	// both are zero, it is sender 1 of 1.
	Sender, Senders int

	// Start moves the start by so many hundredths of a percent of a loop, 0 to 10000.
	Start int

	// Loops ends the carousel after so many loops of layer 0. If zero, it never
	// ends.
	Loops int

	// Order is for experiments with a single layer. If nil, it is that of spec.md
	// 6.1, or of 10 for several layers.
	Order Order

	// Seal encrypts and authenticates all datagrams for the holders of a group
	// key (spec.md 9). If nil, they are sent in the clear.
	Seal *seal.GroupKey

	// Rand draws the first sequence numbers. If nil, the global source is used.
	Rand *rand.Rand
}

func (c Config) withDefaults() Config {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.Overhead == 0 {
		c.Overhead = proto.IPv6Overhead
	}
	if c.Layers == 0 {
		c.Layers = 1
	}
	if c.Sender == 0 && c.Senders == 0 {
		c.Sender, c.Senders = 1, 1
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Rate >= 0 && !ValidRate(c.Rate):
		return fmt.Errorf("sender: rate %d bit/s is not from %d to %d", c.Rate, int64(MinRate), int64(MaxRate))
	case c.LinkRate < 0:
		return fmt.Errorf("sender: the link has a rate of %d bit/s", c.LinkRate)
	case !proto.ValidLayers(c.Layers):
		return fmt.Errorf("sender: %d layers are not from 1 to %d", c.Layers, proto.MaxLayers)
	case c.total() > MaxRate:
		return fmt.Errorf("sender: %d layers from %d bit/s on are over %d bit/s", c.Layers, c.Rate, int64(MaxRate))
	case c.Layers > 1 && c.Order != nil:
		return errors.New("sender: several layers have an order of their own, and no other")
	case !ValidSender(c.Sender, c.Senders):
		return fmt.Errorf("sender: no sender %d/%d; numbers are 1/1 to %d/%d", c.Sender, c.Senders, MaxSenders, MaxSenders)
	case c.Start < 0 || c.Start > 10000:
		return errors.New("sender: start is not within a loop")
	case c.Loops < 0:
		return errors.New("sender: negative number of loops")
	}
	return nil
}

// total is the rate of all layers together.
func (c Config) total() int64 { return TotalRate(c.Rate, c.Layers) }

// frameBytes is what Ethernet adds to an IP packet: preamble, header, checksum
// and gap.
const frameBytes = 8 + 14 + 4 + 12

// pace is the rate of packets of so many bytes; negative if there is no limit.
func (c Config) pace(packet int) int64 {
	if c.Rate < 0 && c.LinkRate > 0 {
		return max(1, c.LinkRate/int64(packet+frameBytes)*int64(packet))
	}
	return c.total()
}

// start returns the position, 0 to loop-1, at which layer 0 starts. For
// receivers of some of the layers, the shards repeat with a period that is a
// power of two. If coordinated senders divided the loop by an even number,
// these receivers would get the same shards from all of them (spec.md 10).
func (c Config) start(loop uint64) uint64 {
	parts := uint64(c.Senders)
	if c.Layers > 1 && parts%2 == 0 {
		parts++
	}
	return (loop*uint64(c.Sender-1)/parts + loop*uint64(c.Start)/10000) % loop
}

// A Sender decides which datagram to send and when. It does no socket I/O,
// reads no clock and starts no goroutine, and it is not safe for concurrent
// use.
type Sender struct {
	cfg       Config
	carousels []carousel // of the objects, one at least
	catalogue int        // which of them is the catalogue; -1: none
	several   bool       // there are several, and not just one and its inventory
	mix       mix        // which of them is next
	lanes     []lane     // of the layers
	pace      pacer
	began     time.Time // the first packet; zero: none yet

	slot    uint64    // number of the present slot, in which one layer sends; manifests and outlines do not count
	decided *carousel // carousel of the last packet
	bye     int       // BYE packets still to send; -1: not stopping
	paused  bool
	packets uint64

	timed      []*carousel // whose manifests are due after a time; others by their packets alone
	left       int         // objects that are still sent, without the catalogue
	unfinished int         // objects that were not sent Config.Loops times yet
	least      leastFar

	readAgain func() // starts the read-ahead of a large set; nil: there is none
	stale     bool   // objects were dropped since
}

// New returns a sender of an object at the start of its carousel.
func New(cfg Config, o *Object) (*Sender, error) {
	return NewSet(cfg, ShareSqrt, Member{Object: o})
}

// DatagramLen returns the length in bytes of every datagram of this sender.
func (s *Sender) DatagramLen() int {
	c := &s.carousels[0]
	h := proto.Header{Params: c.geo.Params, Sealed: c.cipher != nil}
	return h.DatagramLen()
}

// packetBytes is the length in bytes of every IP packet.
func (s *Sender) packetBytes() int { return s.DatagramLen() + s.cfg.Overhead }

// Layers returns the number of layers.
func (s *Sender) Layers() int { return len(s.lanes) }

// AppendDatagrams appends at most max datagrams that are due now to dst, end to
// end, each DatagramLen bytes long. At [Sender.Wake] there is one at least. An
// error means that a shard could not be read; the datagrams before it are in out.
// Datagrams of several layers are mixed: see [Sender.AppendLayers].
func (s *Sender) AppendDatagrams(dst []byte, now time.Time, max int) (out []byte, err error) {
	for ; max > 0; max-- {
		h, ok := s.Next(now)
		if !ok {
			break
		}
		if dst, err = s.appendDatagram(dst, &h); err != nil {
			s.takeBack()
			return dst, err
		}
	}
	return dst, nil
}

// AppendLayers is AppendDatagrams that appends the datagrams of each layer to
// the element of dst with its number.
func (s *Sender) AppendLayers(dst [][]byte, now time.Time, max int) error {
	for ; max > 0 && !s.starved(); max-- {
		h, ok := s.Next(now)
		if !ok {
			break
		}
		b := &dst[h.Path.Layer]
		var err error
		if *b, err = s.appendDatagram(*b, &h); err != nil {
			s.takeBack()
			return err
		}
	}
	return nil
}

// takeBack does not count the last packet, which could not be made.
func (s *Sender) takeBack() {
	s.packets--
	s.decided.packets--
}

// starved reports whether the payload of the next packet is still being read.
func (s *Sender) starved() bool {
	if s.stale {
		s.stale = false
		s.readAgain()
	}
	t := s.track()
	return t.ahead != nil && !t.ahead.ready()
}

// turn returns the carousel that has the present slot. The carousel of an empty
// file has one only if there are no others.
func (s *Sender) turn() *carousel { return &s.carousels[s.mix.current] }

// track returns the track that is next.
func (s *Sender) track() *track { return &s.turn().tracks[s.layer()] }

// layer returns the layer that is next.
func (s *Sender) layer() int {
	if s.turn().empty() {
		return 0
	}
	return layerOf(s.slot, len(s.lanes))
}

// Next decides on one packet that is due now, and returns its header. It is
// AppendDatagrams for those who do not need the bytes: simulations of large
// transfers. If nothing is due, ok is false.
func (s *Sender) Next(now time.Time) (h proto.Header, ok bool) {
	if s.Done() || s.paused || !s.ready(now) {
		return proto.Header{}, false
	}
	if s.began.IsZero() {
		s.began = now
	}
	h = s.decide(now)
	s.pace.sent(now)
	s.packets++
	return h, true
}

// ManifestPayload returns the payload of the object's MANIFEST packets. It
// must not be changed.
func (s *Sender) ManifestPayload() []byte { return s.carousels[0].manifest }

// ready reports whether anything is due. An empty file has nothing but its
// manifest to send, so there the manifest's own clock sets the pace.
func (s *Sender) ready(now time.Time) bool {
	if s.turn().empty() && s.bye < 0 && s.manifestDue(now) == nil {
		return false
	}
	return s.pace.ready(now)
}

// Wake returns when to call [Sender.AppendDatagrams] next. The zero time means
// at once if there was no call yet, and never if the sender is done or paused.
// An earlier call has no effect.
func (s *Sender) Wake() time.Time {
	if s.Done() || s.paused || s.packets == 0 {
		return time.Time{}
	}
	at := s.pace.wake()
	if s.turn().empty() && s.bye < 0 {
		due := s.turn().manifests.next()
		for _, c := range s.timed {
			if !c.dropped && c.manifests.next().Before(due) {
				due = c.manifests.next()
			}
		}
		if due.After(at) {
			return due
		}
	}
	return at
}

// Stop ends the carousel: a few packets announce to receivers that this sender is
// about to stop, unless it is paused.
func (s *Sender) Stop() {
	if s.bye < 0 {
		s.bye = max(byePackets, len(s.timed))
	}
}

// stateRate sets the rate, in bit/s, that packets announce if Config has no
// rate.
func (s *Sender) stateRate(rate float64) {
	if s.cfg.Rate < 0 {
		s.lanes[0].path.Rate = proto.RateCodeOf(int64(rate))
	}
}

// Drop stops sending one of several objects, by its number among the members of the set,
// with its inventory or its archive, and reports whether any is left. If none is, or without the catalogue, nothing more is
// sent, and the sender is done.
func (s *Sender) Drop(object int) (left bool) {
	object = s.listedAs(object)
	c := &s.carousels[object]
	if !c.dropped {
		s.drop(c)
		if s.left--; object == s.catalogue {
			s.left = 0
		}
		if c.pair >= 0 {
			s.drop(&s.carousels[c.pair])
		}
	}
	if s.left == 0 {
		s.bye = 0
	}
	return s.left > 0
}

// drop stops sending an object.
func (s *Sender) drop(c *carousel) {
	c.dropped = true
	s.mix.drop(c.number, s.carousels)
	s.stale = s.readAgain != nil
	s.finish(c)
}

// finish notes that an object has been sent often enough.
func (s *Sender) finish(c *carousel) {
	if c.finished || s.large() && c.empty() {
		return
	}
	c.finished = true
	if s.unfinished--; s.unfinished == 0 && s.cfg.Loops > 0 {
		s.Stop()
	}
}

// Pause stops sending. The carousel keeps its place.
func (s *Sender) Pause() { s.paused = true }

// Resume goes on where [Sender.Pause] stopped, at the same rate. It does not
// catch up with the packets of the pause.
func (s *Sender) Resume(now time.Time) {
	s.paused = false
	s.pace.forgive(now)
}

// Done reports whether the carousel has ended.
func (s *Sender) Done() bool { return s.bye == 0 || s.paused && s.bye > 0 }

// decide moves a carousel on by one packet.
func (s *Sender) decide(now time.Time) proto.Header {
	c, l := s.turn(), &s.lanes[s.layer()]
	bye := l.path.Layer == 0 && s.bye > 0
	if bye {
		s.bye--
		if c = s.timed[s.bye%len(s.timed)]; c.dropped {
			c = s.turn()
		}
	} else if l.path.Layer == 0 && len(s.carousels) > 1 {
		if due := s.manifestDue(now); due != nil {
			c = due
		}
	}
	h := s.header(c, l, now)
	l.path.Seq++
	s.decided = c
	c.packets++
	if bye {
		h.Path.Flags |= proto.PathBye
		s.skipAhead()
	} else {
		slot := c.packet(&h, now) && c == s.turn()
		if s.cfg.Loops > 0 && c.walkedLoops(uint64(s.cfg.Loops)) {
			s.finish(c)
		}
		if !slot {
			return h // does not take a slot of a layer, so that the layers stay in step
		}
	}
	if s.slot++; s.slot%(1<<(len(s.lanes)-1)) == 0 {
		if s.mix.next(s.carousels) && !s.large() {
			s.turn().manifests.hurry()
		}
	}
	return h
}

// manifestDue returns the carousel whose manifest is due after a time, and was sent longest
// ago; nil if none is.
func (s *Sender) manifestDue(now time.Time) (due *carousel) {
	for _, c := range s.timed {
		if !c.dropped && c.manifests.due(now) && (due == nil || c.manifests.last.Before(due.manifests.last)) {
			due = c
		}
	}
	return due
}

// layerOf returns the layer of a slot. Of 2^(layers-1) slots, layer 0 has one,
// and every layer has a number in proportion to its rate. They are evenly
// spread. So all of them always go through a cycle in the same time. With
// clocks of their own they would drift apart, and send the same shards.
func layerOf(slot uint64, layers int) int {
	return max(0, layers-1-bits.TrailingZeros64(slot|1<<(layers-1)))
}

// appendDatagram appends the datagram of the header that was decided on last.
func (s *Sender) appendDatagram(b []byte, h *proto.Header) (out []byte, err error) {
	c := s.decided
	if out, err = c.appendPayload(h.AppendTo(b), h); err != nil {
		return b, err
	}
	if c.cipher != nil {
		out = append(b, c.cipher.Seal(h, out[len(b):])...) // usually into the same memory
	}
	proto.PutChecksum(out[len(b):])
	return out, nil
}

// header returns the header of a MANIFEST on a layer.
func (s *Sender) header(c *carousel, l *lane, now time.Time) proto.Header {
	h := proto.Header{Type: proto.TypeManifest, Object: c.object, Params: c.geo.Params, Path: l.path}
	h.Path.Flags = l.sync(now.Sub(s.began))
	if s.several {
		h.Path.Flags |= proto.PathSet
	}
	if c.cipher != nil {
		h.Sealed, h.KeyHint = true, s.cfg.Seal.Hint()
	}
	return h
}
