// SPDX-License-Identifier: GPL-2.0-or-later

package layers

import (
	"net/netip"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

const (
	// maxStreams bounds the streams whose loss decides over the level: their
	// addresses may be forged.
	maxStreams = 256
	// maxGap is the jump of a sequence number that is taken for a sender's new
	// start, not for loss.
	maxGap = 1 << 20
	// reorderRoom is by how many packets one may come late and is not lost.
	reorderRoom = 64
	// forgetAfter is how long a stream is silent before it makes room.
	forgetAfter = 10 * time.Second

	// A window of measurement is both so long and so many packets.
	windowTime    = 2 * time.Second
	windowPackets = 200
	// earlyTime is how much of a window tells the rate of the packets.
	earlyTime = 100 * time.Millisecond
)

// A stream is one layer of one sender, as it arrives on one interface.
type stream struct {
	path  *path
	heard time.Time
	rate  proto.RateCode // the highest that was stated

	top    uint32 // highest sequence number, as a serial number (RFC 1982)
	seen   uint64 // bit i: top-i arrived, or was sent before the first one
	behind int    // packets in succession that were too late
}

// hear takes a sequence number and returns how many packets it adds to those
// that were sent, and to those of them that are lost. A jump tells nothing: the
// sender began anew, or the packet is forged.
func (s *stream) hear(seq uint32) (sent, lost int64, jump bool) {
	ahead := int64(int32(seq - s.top))
	switch {
	case ahead > maxGap || ahead < -maxGap || s.behind == reorderRoom:
		s.top, s.seen, s.behind = seq, ^uint64(0), 0
		return 1, 0, true
	case ahead > 0:
		s.top, s.seen, s.behind = seq, s.seen<<ahead|1, 0
		return ahead, ahead - 1, false
	case -ahead >= reorderRoom:
		s.behind++
	case s.seen>>-ahead&1 == 0:
		s.seen |= 1 << -ahead
		return 0, -1, false
	}
	return 0, 0, false
}

// A path is the way from a host to one of our interfaces. All layers of all
// senders on that host are lost on it alike, so it has one loss.
type path struct {
	key     pathKey
	streams int // at least one
	heard   time.Time

	since      time.Time // the window begins
	sent, lost int64     // in the window
	jumped     bool      // in the window

	judged bool      // a window was complete since the level changed
	good   bool      // and the last one was
	bad    time.Time // when the first of successive windows that were bad began; zero: the last was not
	heavy  time.Time // the same of those above heavyLoss
}

// complete reports whether the window is.
func (p *path) complete(now time.Time) bool {
	return now.Sub(p.since) >= windowTime && p.sent >= windowPackets
}

// expected returns how many packets the window will have.
func (p *path) expected(now time.Time) int64 {
	n := p.sent
	if took := max(now.Sub(p.since), earlyTime); took < windowTime {
		n = n * int64(windowTime) / int64(took)
	}
	return max(n, windowPackets)
}

// lossOf returns how much of so many packets is lost, in percent.
func (p *path) lossOf(packets int64) float64 { return 100 * float64(p.lost) / float64(packets) }

// begin begins a window.
func (p *path) begin(at time.Time) { p.since, p.sent, p.lost, p.jumped = at, 0, 0, false }

type streamKey struct {
	receiver.Origin
	layer int
}

type pathKey struct {
	from    netip.Addr
	ifindex int
}

// losses measures the loss of every path. The zero losses have heard nothing.
type losses struct {
	streams map[streamKey]*stream
	paths   map[pathKey]*path
	tidied  time.Time
	crowded time.Time // when a stream last found no room
}

// find returns the stream of a packet, nil if there is no room for it.
func (ls *losses) find(now time.Time, from receiver.Origin, p proto.Path) *stream {
	key := streamKey{from, p.Layer}
	if s := ls.streams[key]; s != nil {
		return s
	}
	if len(ls.streams) >= maxStreams {
		ls.tidy(now)
	}
	if len(ls.streams) >= maxStreams {
		ls.crowded = now
		return nil
	}
	if ls.streams == nil {
		ls.streams, ls.paths = make(map[streamKey]*stream), make(map[pathKey]*path)
	}
	name := pathKey{from.From.Addr(), from.Interface}
	way := ls.paths[name]
	if way == nil {
		way = &path{key: name}
		way.begin(now)
		ls.paths[name] = way
	}
	way.streams++
	s := &stream{path: way, top: p.Seq, seen: ^uint64(0)}
	ls.streams[key] = s
	return s
}

// restart forgets all streams above a level and begins a window on every path.
func (ls *losses) restart(now time.Time, level int) {
	ls.forget(func(key streamKey, _ *stream) bool { return key.layer > level })
	for _, p := range ls.paths {
		p.begin(now)
		p.judged, p.good, p.bad, p.heavy = false, false, time.Time{}, time.Time{}
	}
}

// calm reports whether no path is known to be bad, and all are known.
func (ls *losses) calm(now time.Time) bool {
	if !ls.crowded.IsZero() && now.Sub(ls.crowded) < forgetAfter {
		return false
	}
	for _, p := range ls.paths {
		if p.alive(now) && !p.bad.IsZero() {
			return false
		}
	}
	return true
}

// rate is what the senders state about what is received, in bits per second.
func (ls *losses) rate(now time.Time) (sum int64) {
	for _, s := range ls.streams {
		if now.Sub(s.heard) < forgetAfter {
			sum += s.rate.BitsPerSecond()
		}
	}
	return sum
}

// tidy forgets what is silent, at most once a second.
func (ls *losses) tidy(now time.Time) {
	if now.Sub(ls.tidied) < time.Second {
		return
	}
	ls.tidied = now
	ls.forget(func(_ streamKey, s *stream) bool { return now.Sub(s.heard) >= forgetAfter })
}

// forget forgets some streams, and paths of which no other is left.
func (ls *losses) forget(which func(streamKey, *stream) bool) {
	for key, s := range ls.streams {
		if !which(key, s) {
			continue
		}
		delete(ls.streams, key)
		if s.path.streams--; s.path.streams == 0 {
			delete(ls.paths, s.path.key)
		}
	}
}

// alive reports whether a path was heard of lately.
func (p *path) alive(now time.Time) bool { return now.Sub(p.heard) < forgetAfter }
