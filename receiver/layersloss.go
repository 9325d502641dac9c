// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"net/netip"
	"time"

	"iotupd/proto"
)

const (
	// maxStreams bounds the streams whose loss decides over the level: their
	// addresses may be forged.
	maxStreams = 256
	// reorderRoom is by how many packets one may come late and is not lost.
	reorderRoom = 64
	// forgetAfter is how long a stream is silent before it makes room.
	forgetAfter = 10 * time.Second

	// A window of measurement is both so long and so many packets.
	windowTime    = 2 * time.Second
	windowPackets = 200
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
func (s *stream) hear(seq uint32) (sent, lost int, jump bool) {
	ahead := int(int32(seq - s.top))
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
	sent, lost int       // in the window
	jumped     bool      // in the window

	good  bool      // a window was, since the level changed
	bad   time.Time // when the first of successive windows above maxLoss began; zero: the last was not
	heavy time.Time // the same above heavyLoss
}

// begin begins a window.
func (p *path) begin(at time.Time) { p.since, p.sent, p.lost, p.jumped = at, 0, 0, false }

type pathKey struct {
	from      netip.Addr
	ifindex int
}

// losses measures the loss of every path. The zero losses have heard nothing.
type losses struct {
	streams map[flowKey]*stream
	paths   map[pathKey]*path
	tidied  time.Time
	crowded time.Time // when a stream last found no room
}

// find returns the stream of a packet, nil if there is no room for it. The first
// window of a new path begins at begin.
func (ls *losses) find(now, begin time.Time, from Origin, layer int) *stream {
	key := flowKey{from, layer}
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
		ls.streams, ls.paths = make(map[flowKey]*stream), make(map[pathKey]*path)
	}
	way := pathKey{from.From.Addr(), from.Interface}
	p := ls.paths[way]
	if p == nil {
		p = &path{key: way}
		p.begin(begin)
		ls.paths[way] = p
	}
	p.streams++
	s := &stream{path: p}
	ls.streams[key] = s
	return s
}

// tidy forgets what is silent, at most once a second.
func (ls *losses) tidy(now time.Time) {
	if now.Sub(ls.tidied) < time.Second {
		return
	}
	ls.tidied = now
	ls.forget(func(_ flowKey, s *stream) bool { return now.Sub(s.heard) >= forgetAfter })
}

// forget forgets some streams, and paths of which no other is left.
func (ls *losses) forget(which func(flowKey, *stream) bool) {
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
