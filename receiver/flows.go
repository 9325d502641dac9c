// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "net/netip"

// An Origin says where a datagram came from: one copy of one sender's stream.
type Origin struct {
	From      netip.AddrPort
	Interface int // index of the interface that it arrived on
}

const (
	// maxFlows bounds the streams that are measured: their addresses may be forged.
	maxFlows = 64
	// maxGap is the jump of a sequence number that is taken for a sender's new
	// start, not for loss.
	maxGap = 1 << 20
)

// flows measures loss by the gaps in the sequence numbers of every stream. It
// is for display: nothing that is accepted depends on it.
type flows struct {
	streams map[flowKey]*flow
}

type flowKey struct {
	Origin
	layer int
}

type flow struct {
	first, last uint32 // sequence numbers, as serial numbers (RFC 1982)
	received    uint64 // since first
	before      Loss   // until a new start
}

// Loss counts the packets of streams that were listened to.
type Loss struct {
	Spanned uint64 // sent between the first and the last that arrived
	Lost    uint64 // of these, never arrived
}

// Add returns the sum of two counts.
func (l Loss) Add(m Loss) Loss { return Loss{l.Spanned + m.Spanned, l.Lost + m.Lost} }

// Ratio returns the share that was lost, 0 to 1.
func (l Loss) Ratio() float64 {
	if l.Spanned == 0 {
		return 0
	}
	return float64(l.Lost) / float64(l.Spanned)
}

// observe counts an undamaged packet.
func (fs *flows) observe(o Origin, layer int, seq uint32) {
	key := flowKey{o, layer}
	f := fs.streams[key]
	if f == nil {
		if len(fs.streams) >= maxFlows {
			return
		}
		if fs.streams == nil {
			fs.streams = make(map[flowKey]*flow)
		}
		f = &flow{first: seq, last: seq}
		fs.streams[key] = f
	}
	switch ahead := int32(seq - f.last); {
	case ahead > maxGap || ahead < -maxGap:
		*f = flow{first: seq, last: seq, before: f.loss()}
	case ahead > 0:
		f.last = seq
	case int32(seq-f.first) < 0:
		return // sent before we joined, overtaken on the way
	}
	f.received++
}

func (f *flow) loss() Loss {
	spanned := uint64(f.last-f.first) + 1
	return f.before.Add(Loss{Spanned: spanned, Lost: spanned - min(f.received, spanned)})
}

// total returns the sum over all streams.
func (fs *flows) total() (l Loss) {
	for _, f := range fs.streams {
		l = l.Add(f.loss())
	}
	return l
}
