// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"math/rand/v2"
	"time"

	"iotupd/proto"
)

// When receivers may join the next layer (spec.md 10).
const (
	syncTime    = 4 * time.Second // layer l gets the flag at odd multiples of syncTime * 2^l
	syncLayers  = 3               // for at most so many layers, n; the others get it at all multiples of syncTime * 2^n
	syncPackets = 8
)

// A lane is a layer of a sender, whatever its packets carry.
type lane struct {
	path proto.Path

	syncs    time.Duration // number of times that the flag was due
	syncLeft int           // packets that still get the flag
}

// newLanes returns the layers of a sender.
func newLanes(cfg Config) (all []lane) {
	seq := rand.Uint32
	if cfg.Rand != nil {
		seq = cfg.Rand.Uint32
	}
	for layer := range cfg.Layers {
		d := dyadic{layer: layer, layers: cfg.Layers}
		all = append(all, lane{path: proto.Path{
			Layer: layer, Layers: cfg.Layers,
			Rate:   proto.RateCodeOf(cfg.Rate * int64(d.share())),
			Sender: cfg.Sender, Senders: cfg.Senders,
			Seq: seq(),
		}})
	}
	return all
}

// sync returns the flag of a packet, given the time since the first packet of
// this sender. The highest layer never has it, since there is no next one to
// join.
func (l *lane) sync(since time.Duration) proto.PathFlags {
	if l.path.Layer == l.path.Layers-1 {
		return 0
	}
	rest := min(l.path.Layers-2, syncLayers)
	n := since / (syncTime << min(l.path.Layer, rest))
	if l.path.Layer < rest {
		n = (n + 1) / 2
	}
	if n > l.syncs {
		l.syncs, l.syncLeft = n, syncPackets
	}
	if l.syncLeft == 0 {
		return 0
	}
	l.syncLeft--
	return proto.PathSync
}
