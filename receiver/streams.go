// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"net/netip"
	"time"

	"iotupd/internal/seqno"
	"iotupd/proto"
)

// An Origin says where a datagram came from: one copy of one sender's stream.
type Origin struct {
	From      netip.AddrPort
	Interface int // index of the interface that it arrived on
}

const (
	// maxStreams bounds the streams that are measured: their addresses may be
	// forged.
	maxStreams = 256
	// maxHeard bounds the packets that are listed before [Streams.Take].
	maxHeard = 1 << 14
	// ForgetAfter is how long a stream is silent before it makes room for others.
	ForgetAfter = 10 * time.Second
)

// A Stream is one layer of one sender, as it arrives on one interface.
type Stream struct {
	Origin
	Layer int
	Path  *Path

	Heard time.Time      // when its last packet arrived
	Rate  proto.RateCode // the highest that was stated

	numbers  seqno.Tracker
	fresh    bool // the next packet sets the first sequence number
	unproven Loss // that counts when Path is proven
}

// A Path leads from a host to one of our interfaces. Packets of all layers of all
// senders on that host are lost on it alike.
type Path struct {
	pathKey
	streams int
	proven  bool // a packet has come that only a sender of the object can have
}

// Gone reports whether no stream of the path is measured any more. Streams that
// come later have another Path.
func (p *Path) Gone() bool { return p.streams == 0 }

type streamKey struct {
	Origin
	layer int
}

type pathKey struct {
	from    netip.Addr
	ifindex int
}

// A Heard is an undamaged packet of the chosen object, on a proven path (see
// [Streams]).
type Heard struct {
	*Stream
	Seq    uint32
	Flags  proto.PathFlags
	Layers uint8 // of its sender

	// Numbers that it adds to the sent and to the lost packets. Lost is -1 if the
	// packet was only late. After a jump of its numbers the stream starts again.
	Sent, Lost int32
	Jump       bool
}

// Loss counts the packets of streams that were listened to.
type Loss struct {
	Spanned uint64 // packets sent between the first and the last that arrived
	Lost    uint64 // of Spanned, packets that never arrived
}

// Ratio returns the share that was lost, 0 to 1.
func (l Loss) Ratio() float64 {
	if l.Spanned == 0 {
		return 0
	}
	return float64(l.Lost) / float64(l.Spanned)
}

// Streams measure loss by the gaps in the sequence numbers of every stream. Which
// packets a receiver accepts does not depend on it. The zero value has no streams
// and listens to all layers. It is not safe for concurrent use.
//
// Copies of a packet count once. A packet that others overtook counts as lost
// until it arrives, or for good if it is 64 packets late or more. Packets of a
// layer do not count while the receiver does not listen to it. At most 256
// streams are measured at a time; the packets of others are neither counted nor
// listed. Anybody can send packets that fit the object, and sequence numbers are
// under no hash: in a receiver, only those paths count that have shown a verified
// manifest, digest or shard.
type Streams struct {
	byKey map[streamKey]*Stream
	paths map[pathKey]*Path
	last  *Stream // of the last packet, nil: look it up

	provenOnly bool
	chosenBy   pathKey // where the manifest of the object came from, if provenOnly
	total      Loss    // of paths that count

	tidied  time.Time
	crowded time.Time // when a stream last found no room

	left  int // number of layers, from the highest down, that are not listened to
	keep  bool
	heard []Heard
}

// Note takes the path word of an undamaged packet, and where it came from.
func (ss *Streams) Note(now time.Time, from Origin, p *proto.Path) {
	if p.Layer > ss.level() {
		return
	}
	s := ss.last
	if s == nil || s.Layer != p.Layer || s.Origin != from {
		if s = ss.find(now, from, p); s == nil {
			return
		}
		ss.last = s
	}
	total := &ss.total
	if !ss.counts(s.Path) {
		total = &s.unproven
	}
	if s.fresh {
		s.numbers, s.fresh = seqno.Start(p.Seq), false
		total.Spanned++ // this packet
	}
	sent, lost, jump := s.numbers.Add(p.Seq)
	s.Heard, s.Rate = now, max(s.Rate, p.Rate)
	total.Spanned += uint64(sent)
	total.Lost += uint64(lost)
	if ss.keep && total == &ss.total && len(ss.heard) < maxHeard {
		ss.heard = append(ss.heard, Heard{
			Stream: s, Seq: p.Seq, Flags: p.Flags, Layers: uint8(p.Layers), Sent: int32(sent), Lost: int32(lost), Jump: jump,
		})
	}
}

// find returns the stream of a packet, nil if there is no room for it.
func (ss *Streams) find(now time.Time, from Origin, p *proto.Path) *Stream {
	key := streamKey{from, p.Layer}
	if s := ss.byKey[key]; s != nil {
		return s
	}
	if len(ss.byKey) >= maxStreams {
		ss.tidy(now)
	}
	if len(ss.byKey) >= maxStreams {
		ss.crowded = now
		return nil
	}
	if ss.byKey == nil {
		ss.byKey, ss.paths = make(map[streamKey]*Stream), make(map[pathKey]*Path)
	}
	way := from.path()
	path := ss.paths[way]
	if path == nil {
		path = &Path{pathKey: way, proven: ss.provenOnly && way == ss.chosenBy}
		ss.paths[way] = path
	}
	path.streams++
	s := &Stream{Origin: from, Layer: p.Layer, Path: path, fresh: true}
	ss.byKey[key] = s
	return s
}

// Keep makes Streams list packets for [Streams.Take] from now on.
func (ss *Streams) Keep() { ss.keep = true }

// Take returns the listed packets since the last call: see [Streams.Keep]. They
// are valid until the next call of [Streams.Note].
func (ss *Streams) Take() []Heard {
	heard := ss.heard
	ss.heard = ss.heard[:0]
	return heard
}

// Listen says that layers 0 to level are listened to from now on, and no others;
// -1: none. Streams of other layers are forgotten, and later packets of those
// layers are neither counted nor listed.
func (ss *Streams) Listen(level int) {
	ss.left = proto.MaxLayers - 1 - level
	ss.forget(func(s *Stream) bool { return s.Layer > level })
}

func (ss *Streams) level() int { return proto.MaxLayers - 1 - ss.left }

// Loss returns the sum over all streams that were heard.
func (ss *Streams) Loss() Loss { return ss.total }

// Rate is the sum of the rates that senders stated in the last [ForgetAfter] for
// the layers that are listened to, in bits per second.
func (ss *Streams) Rate(now time.Time) (sum int64) {
	for _, s := range ss.byKey {
		if now.Sub(s.Heard) < ForgetAfter && ss.counts(s.Path) {
			sum += s.Rate.BitsPerSecond()
		}
	}
	return sum
}

// Crowded reports whether there was lately no room for a stream.
func (ss *Streams) Crowded(now time.Time) bool {
	return !ss.crowded.IsZero() && now.Sub(ss.crowded) < ForgetAfter
}

// counts reports whether the packets of a path are measured.
func (ss *Streams) counts(p *Path) bool { return p.proven || !ss.provenOnly }

// proven reports whether the packets of an origin count.
func (ss *Streams) proven(from Origin) bool {
	if ss.last != nil && ss.last.Origin == from {
		return ss.counts(ss.last.Path)
	}
	p := ss.paths[from.path()]
	return p != nil && ss.counts(p)
}

// prove records that an origin has sent a packet that only a sender of the
// object can have. Earlier packets of its path count, too.
func (ss *Streams) prove(from Origin) {
	p := ss.paths[from.path()]
	if p == nil || p.proven {
		return
	}
	p.proven = true
	for _, s := range ss.byKey {
		if s.Path == p {
			ss.total.Spanned += s.unproven.Spanned
			ss.total.Lost += s.unproven.Lost
			s.unproven = Loss{}
		}
	}
}

func (o Origin) path() pathKey { return pathKey{o.From.Addr(), o.Interface} }

// restart counts loss from here on, for another object, whose manifest proves the
// path that it came from. Hosts and paths stay the same, since layer policies
// refer to them.
func (ss *Streams) restart(from Origin) {
	ss.total, ss.provenOnly, ss.chosenBy = Loss{}, true, from.path()
	for _, s := range ss.byKey {
		s.fresh, s.unproven = true, Loss{}
		s.Path.proven = s.Path.pathKey == ss.chosenBy
	}
}

// tidy forgets silent streams, at most once a second.
func (ss *Streams) tidy(now time.Time) {
	if now.Sub(ss.tidied) < time.Second {
		return
	}
	ss.tidied = now
	ss.forget(func(s *Stream) bool { return now.Sub(s.Heard) >= ForgetAfter })
}

// forget forgets some streams, and the paths that have no other stream.
func (ss *Streams) forget(which func(*Stream) bool) {
	ss.last = nil
	for key, s := range ss.byKey {
		if !which(s) {
			continue
		}
		delete(ss.byKey, key)
		if s.Path.streams--; s.Path.streams == 0 {
			delete(ss.paths, s.Path.pathKey)
		}
	}
}
