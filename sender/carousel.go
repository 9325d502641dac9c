// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"time"

	"iotupd/proto"
	"iotupd/proto/seal"
)

// How often the manifest travels (spec.md 5.4).
const (
	manifestPackets       = 256              // after so many packets
	manifestInterval      = time.Second      // or after this, if manifestMinPackets went out
	manifestMinPackets    = 32               //
	setManifestMinPackets = 64               // of an object of a set, so that all manifests take 2 % at most
	manifestLatest        = 10 * time.Second // or after this in any case
	manifestNever         = 1 << 62          // longer than any program runs
	emptyInterval         = 200 * time.Millisecond
)

// A carousel is an object that is being sent, and the position in its loop.
type carousel struct {
	number   int // among the members of the set
	of       *Object
	geo      proto.Geometry
	object   proto.ObjectID // as in headers: keyed if sealed
	cipher   *seal.Cipher   // nil: datagrams are not sealed
	manifest []byte         // payload of the MANIFEST packet; nil: it is made when it is sent
	packets  uint64
	dropped  bool // it is not sent any more
	finished bool // it was sent Config.Loops times

	inventory bool // it is the inventory of a directory
	pair      int  // number of the archive of that, or of the inventory of an archive; -1: it is neither

	tracks    []track // of the layers
	manifests manifestClock
	outlines  outlines
}

// init makes c the carousel of an object at its start.
func (c *carousel) init(cfg Config, o *Object) (err error) {
	d := &o.Manifest.Descriptor
	c.of = o
	c.manifests.least, c.manifests.latest = manifestMinPackets, manifestLatest
	if c.geo, err = d.Geometry(); err != nil {
		return err
	}
	if c.manifest, err = o.Manifest.AppendPayload(nil); err != nil {
		return err
	}
	c.tracks = make([]track, cfg.Layers)
	for layer := range c.tracks {
		if err := c.tracks[layer].init(cfg, o, layer); err != nil {
			return err
		}
	}
	if c.empty() {
		c.manifests.latest = emptyInterval
	}
	c.outlines = newOutlines(cfg, c.tracks[0].tree)
	c.object = d.Object()
	if cfg.Seal != nil {
		c.object = cfg.Seal.Object(c.object)
		c.cipher = cfg.Seal.Cipher(c.object)
	}
	return nil
}

// empty reports whether the object is an empty file, of which only manifests are sent.
func (c *carousel) empty() bool { return c.geo.Size == 0 }

// walked returns the number of positions in a loop of layer 0, and how many it has passed.
func (c *carousel) walked() (loop, walked uint64) {
	return c.tracks[0].order.loop(), c.tracks[0].walked
}

// progress returns the position.
func (c *carousel) progress() ObjectProgress {
	loop, walked := c.walked()
	return ObjectProgress{Loop: int(walked/loop) + 1, Fraction: float64(walked%loop) / float64(loop), Packets: c.packets, Dropped: c.dropped}
}

// walkedLoops reports whether it has passed so many loops.
func (c *carousel) walkedLoops(n uint64) bool {
	loop, walked := c.walked()
	return walked >= n*loop
}

// packet moves the carousel on by one packet, and fills in its header. The
// caller passes the header of a MANIFEST on a layer, of which packet changes
// the fields that differ. It reports whether the packet takes a slot of its
// layer.
func (c *carousel) packet(h *proto.Header, now time.Time) (slot bool) {
	t := &c.tracks[h.Path.Layer]
	switch {
	case h.Path.Layer > 0:
		t.packet(h)
	case c.empty():
		c.manifests.sent(now)
		t.step()
	case c.manifests.due(now):
		c.manifests.sent(now)
		return false
	case c.outlines.due():
		c.outlines.packet(h)
		c.manifests.packets++
		return false
	default:
		t.packet(h)
		c.manifests.packets++
		c.outlines.packets++
	}
	return true
}

// appendPayload appends the payload of the last packet, whose header is h.
func (c *carousel) appendPayload(b []byte, h *proto.Header) ([]byte, error) {
	t := &c.tracks[h.Path.Layer]
	switch {
	case h.Type == proto.TypeManifest && c.manifest == nil:
		return c.of.Manifest.AppendPayload(b)
	case h.Type == proto.TypeManifest:
		return append(b, c.manifest...), nil
	case h.Type == proto.TypeOutline:
		return t.digests.AppendOutline(b, h.Group)
	case t.ahead == nil:
		return t.appendPayload(b, h)
	}
	payload, err := t.ahead.next()
	return append(b, payload...), err
}

// A manifestClock says when the manifest is due again (spec.md 5.4).
type manifestClock struct {
	last    time.Time // zero: never sent
	packets int       // other packets since

	least  int           // other packets without which it is not due after manifestInterval
	latest time.Duration // after which it is due in any case
}

// byPackets is the clock of an object in a large set: its manifest is due when the object
// first has its turn, and then after other packets of it.
var byPackets = manifestClock{least: manifestPackets, latest: manifestNever}

func (c *manifestClock) due(now time.Time) bool {
	since := now.Sub(c.last)
	return c.last.IsZero() ||
		c.packets >= manifestPackets ||
		c.packets >= c.least && since >= manifestInterval ||
		since >= c.latest
}

// hurry makes it due.
func (c *manifestClock) hurry() { c.packets = max(c.packets, manifestPackets) }

// next returns when it is due at the latest.
func (c *manifestClock) next() time.Time { return c.last.Add(c.latest) }

func (c *manifestClock) sent(now time.Time) { c.last, c.packets = now, 0 }
