// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"iotupd/internal/seal"
	"iotupd/proto"
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

	// IPv6Overhead and IPv4Overhead are the bytes that IP and UDP add to a
	// datagram.
	IPv6Overhead = 40 + 8
	IPv4Overhead = 20 + 8
)

// How often the manifest travels (spec.md 5.4).
const (
	manifestPackets    = 256              // after so many packets
	manifestInterval   = time.Second      // or after this, if manifestMinPackets went out
	manifestMinPackets = 32               //
	manifestLatest     = 10 * time.Second // or after this in any case
	emptyInterval      = 200 * time.Millisecond
	byePackets         = 4 // manifests that announce the end
)

// Config tells a [Sender] how to send. The zero value is usable.
type Config struct {
	// Rate is the rate in bits per second of whole IP packets, of all types.
	// If zero, DefaultRate is used. If negative, sending is not paced.
	Rate int64

	// Overhead is what IP and UDP add to every datagram, in bytes. If zero,
	// IPv6Overhead is used.
	Overhead int

	// Sender is the number, 1 to Senders, of this sender among Senders
	// coordinated ones: it starts (Sender-1)/Senders of a loop in. If both are
	// zero, it is 1 of 1.
	Sender, Senders int

	// Start moves the start by so many hundredths of a percent of a loop, 0 to 10000.
	Start int

	// Loops ends the carousel after so many loops. If zero, it never ends.
	Loops int

	// Order is the order of the carousel. Receivers finish latest by any
	// but the zero value, which is that of spec.md 6.1.
	Order Order

	// Seal encrypts and authenticates all datagrams for the group that has the
	// key (spec.md 9). If nil, they are sent in the clear.
	Seal *seal.Group

	// Rand draws the first sequence number. If nil, the global source is used.
	Rand *rand.Rand
}

func (c Config) withDefaults() Config {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.Overhead == 0 {
		c.Overhead = IPv6Overhead
	}
	if c.Sender == 0 && c.Senders == 0 {
		c.Sender, c.Senders = 1, 1
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Rate >= 0 && c.Rate < MinRate || c.Rate > MaxRate:
		return fmt.Errorf("sender: rate %d bit/s is not from %d to %d", c.Rate, int64(MinRate), int64(MaxRate))
	case c.Senders < 1 || c.Senders > MaxSenders || c.Sender < 1 || c.Sender > c.Senders:
		return fmt.Errorf("sender: no sender %d/%d; numbers are 1/1 to %d/%d", c.Sender, c.Senders, MaxSenders, MaxSenders)
	case c.Start < 0 || c.Start > 10000:
		return errors.New("sender: start is not within a loop")
	case c.Loops < 0:
		return errors.New("sender: negative number of loops")
	}
	return nil
}

// A Sender decides which datagram to send and when. It does no socket I/O,
// reads no clock and starts no goroutine, and it is not safe for concurrent
// use.
type Sender struct {
	cfg     Config
	geo     proto.Geometry
	object  proto.ObjectID // as headers have it
	cipher  *seal.Cipher   // nil: datagrams are not sealed
	shards  Shards
	digests Digests
	tree    proto.Tree // zero: there are no digests

	manifest []byte // payload of the MANIFEST packet
	path     proto.Path
	pace     pacer

	order    order
	pos      uint64 // next position of the loop
	walked   uint64 // positions passed since the start
	records  int    // of those that travel before the shard at pos, that were sent
	manifSeq manifestClock
	bye      int // BYE packets still to send; -1: not stopping
	packets  uint64
}

// New returns a sender of an object at the start of its carousel.
func New(cfg Config, o *Object) (*Sender, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	geo, err := o.Manifest.Descriptor.Geometry()
	if err != nil {
		return nil, err
	}
	var tree proto.Tree
	if o.Digests != nil {
		if tree, err = geo.Tree(); err != nil {
			return nil, err
		}
	}
	payload, err := o.Manifest.AppendPayload(nil)
	if err != nil {
		return nil, err
	}
	seq := rand.Uint32
	if cfg.Rand != nil {
		seq = cfg.Rand.Uint32
	}
	object := o.Manifest.Descriptor.Object()
	s := &Sender{
		cfg:      cfg,
		geo:      geo,
		object:   object,
		shards:   o.Shards,
		digests:  o.Digests,
		tree:     tree,
		manifest: payload,
		path: proto.Path{
			Layers: 1,
			Rate:   proto.RateCodeOf(cfg.Rate),
			Sender: cfg.Sender, Senders: cfg.Senders,
			Seq: seq(),
		},
		bye: -1,
	}
	if cfg.Seal != nil {
		s.object = cfg.Seal.Object(object)
		s.cipher = cfg.Seal.Cipher(s.object)
	}
	s.pace = newPacer(cfg.Rate, s.DatagramLen()+cfg.Overhead)
	s.order = newOrder(cfg.Order, object, geo)
	loop := s.order.loop()
	s.pos = (loop*uint64(cfg.Sender-1)/uint64(cfg.Senders) + loop*uint64(cfg.Start)/10000) % loop
	s.settle()
	return s, nil
}

// DatagramLen returns the length in bytes of every datagram of this sender.
func (s *Sender) DatagramLen() int {
	n := proto.HeaderLen + s.geo.ShardSize
	if s.cipher != nil {
		n += proto.SealLen
	}
	return n
}

// AppendDatagrams appends at most max datagrams that are due now to dst, end to
// end, each DatagramLen bytes long. At [Sender.Wake] there is one at least. An
// error means that a shard could not be read; the datagrams before it are in
// out.
func (s *Sender) AppendDatagrams(dst []byte, now time.Time, max int) (out []byte, err error) {
	for ; max > 0; max-- {
		h, ok := s.Next(now)
		if !ok {
			break
		}
		if dst, err = s.appendDatagram(dst, &h); err != nil {
			s.packets-- // this one was not made after all
			return dst, err
		}
	}
	return dst, nil
}

// Next decides on one packet that is due now, and returns its header. It is
// AppendDatagrams for those who do not need the bytes: simulations of large
// transfers. If nothing is due, ok is false.
func (s *Sender) Next(now time.Time) (h proto.Header, ok bool) {
	if s.Done() || !s.ready(now) {
		return proto.Header{}, false
	}
	h = s.decide(now)
	s.pace.sent(now)
	s.packets++
	s.path.Seq++
	return h, true
}

// ManifestPayload returns the payload of the object's MANIFEST packets. It
// must not be changed.
func (s *Sender) ManifestPayload() []byte { return s.manifest }

// ready reports whether anything is due. An empty file has nothing but its
// manifest to send, so there the manifest's own clock sets the pace.
func (s *Sender) ready(now time.Time) bool {
	if s.geo.Size == 0 && s.bye < 0 && !s.manifSeq.dueEmpty(now) {
		return false
	}
	return s.pace.ready(now)
}

// Wake returns when to call [Sender.AppendDatagrams] next; the zero time means
// at once, before the first call, or never, when done. An earlier call is
// harmless.
func (s *Sender) Wake() time.Time {
	if s.Done() || s.packets == 0 {
		return time.Time{}
	}
	at := s.pace.wake()
	if s.geo.Size == 0 && s.bye < 0 {
		if empty := s.manifSeq.last.Add(emptyInterval); empty.After(at) {
			return empty
		}
	}
	return at
}

// Stop ends the carousel: a few packets still tell receivers that this sender
// is about to stop.
func (s *Sender) Stop() {
	if s.bye < 0 {
		s.bye = byePackets
	}
}

// Done reports whether the carousel has ended.
func (s *Sender) Done() bool { return s.bye == 0 }

// Progress tells how far a carousel has come.
type Progress struct {
	Loop     int     // 1 in the first one
	Fraction float64 // of this loop, 0 to 1
	Packets  uint64  // of all types, since the start
}

// Progress returns the state of the carousel.
func (s *Sender) Progress() Progress {
	loop := s.order.loop()
	return Progress{
		Loop:     int(s.walked/loop) + 1,
		Fraction: float64(s.walked%loop) / float64(loop),
		Packets:  s.packets,
	}
}

// decide moves the carousel on by one packet.
func (s *Sender) decide(now time.Time) proto.Header {
	if s.bye > 0 {
		s.bye--
		s.path.Flags |= proto.PathBye
		return s.header(proto.TypeManifest)
	}
	if s.geo.Size == 0 || s.manifSeq.due(now) {
		s.manifSeq.sent(now)
		if s.geo.Size == 0 {
			s.step()
		}
		return s.header(proto.TypeManifest)
	}
	h := s.header(proto.TypeParity)
	h.Group, h.Index = s.order.at(s.pos)
	s.manifSeq.packets++
	if index, ok := s.record(h.Index); ok {
		h.Type, h.Index = proto.TypeDigest, index
		s.records++
		s.settle()
		return h
	}
	if h.Index < s.geo.K {
		h.Type, h.Offset = proto.TypeData, s.geo.Offset(h.Group, h.Index)
	}
	s.step()
	return h
}

// record returns the next record to send before the shard of row at pos.
func (s *Sender) record(row int) (index int, ok bool) {
	if s.digests == nil {
		return 0, false
	}
	records, n := recordsBefore(s.tree, row)
	if s.records == n {
		return 0, false
	}
	return records[s.records], true
}

// step moves on to the next packet of the carousel. A loop of an empty file is
// one manifest.
func (s *Sender) step() {
	s.advance()
	s.settle()
}

func (s *Sender) advance() {
	s.walked++
	s.records = 0
	if s.pos++; s.pos == s.order.loop() {
		s.pos = 0
		s.order.lap++
	}
}

// settle passes over positions of which nothing is left to transmit: virtual
// shards whose records were sent. An empty file has no others. It ends the
// carousel after the last loop.
func (s *Sender) settle() {
	for s.geo.Size > 0 {
		group, row := s.order.at(s.pos)
		_, record := s.record(row)
		if record || row >= s.geo.K || !s.geo.Virtual(group, row) {
			break
		}
		s.advance()
	}
	if s.cfg.Loops > 0 && s.walked >= uint64(s.cfg.Loops)*s.order.loop() {
		s.Stop()
	}
}

// appendDatagram appends the datagram of a header.
func (s *Sender) appendDatagram(b []byte, h *proto.Header) (out []byte, err error) {
	out = h.AppendTo(b)
	switch h.Type {
	case proto.TypeManifest:
		out = append(out, s.manifest...)
	case proto.TypeDigest:
		out, err = s.digests.AppendDigest(out, h.Group, h.Index)
	default:
		out, err = s.shards.AppendShard(out, h.Group, h.Index)
	}
	if err != nil {
		return b, err
	}
	if s.cipher != nil {
		out = append(b, s.cipher.Seal(out[len(b):])...) // mostly onto itself
	}
	proto.PutChecksum(out[len(b):])
	return out, nil
}

func (s *Sender) header(t proto.Type) proto.Header {
	h := proto.Header{Type: t, Object: s.object, Params: s.geo.Params, Path: s.path}
	if s.cipher != nil {
		h.Sealed, h.KeyHint = true, s.cfg.Seal.Hint()
	}
	return h
}

// A manifestClock says when the manifest is due again (spec.md 5.4).
type manifestClock struct {
	last    time.Time // zero: never sent
	packets int       // other packets since
}

func (c *manifestClock) due(now time.Time) bool {
	since := now.Sub(c.last)
	return c.last.IsZero() ||
		c.packets >= manifestPackets ||
		c.packets >= manifestMinPackets && since >= manifestInterval ||
		since >= manifestLatest
}

func (c *manifestClock) dueEmpty(now time.Time) bool {
	return c.last.IsZero() || now.Sub(c.last) >= emptyInterval
}

func (c *manifestClock) sent(now time.Time) { *c = manifestClock{last: now} }
