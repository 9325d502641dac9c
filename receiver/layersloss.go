// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
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

// losses measures the loss of every path. The zero losses have heard nothing.
type losses struct {
	streams map[flowKey]*stream
	paths   map[pathKey]*path
	tidied  time.Time
	crowded time.Time // when a stream last found no room
}

// find returns the stream of a packet, nil if there is no room for it.
func (ls *losses) find(now time.Time, from Origin, p proto.Path) *stream {
	key := flowKey{from, p.Layer}
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
	ls.forget(func(key flowKey, _ *stream) bool { return key.layer > level })
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
