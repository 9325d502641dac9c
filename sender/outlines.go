// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "iotupd/proto"

// outlineEvery is the number of packets of the carousel between two OUTLINEs
// (spec.md 4.6). The first one comes after half as many, so that they lie between
// the manifests.
const outlineEvery = 256

// outlines says when the next OUTLINE is due, and of which range. The zero value
// never sends one.
type outlines struct {
	tree    proto.Tree
	next    uint64
	some    bool // there are any
	packets int  // of the carousel since the last one
}

// newOutlines returns the outlines of an object with tree t. Coordinated senders
// begin with different ones.
func newOutlines(cfg Config, t proto.Tree) (o outlines) {
	if t.Total() == 0 || t.Size == 0 {
		return o
	}
	o = outlines{tree: t, packets: outlineEvery / 2}
	o.goTo(t.Outlines() * uint64(cfg.Sender-1) / uint64(cfg.Senders))
	return o
}

// goTo moves on to the first range with an OUTLINE from number i on. If there
// is none, it starts over.
func (o *outlines) goTo(i uint64) {
	if o.next, o.some = o.tree.NextOutline(i); !o.some {
		o.next, o.some = o.tree.NextOutline(0)
	}
}

func (o *outlines) due() bool { return o.some && o.packets >= outlineEvery }

// packet fills in what the next OUTLINE is, and moves on.
func (o *outlines) packet(h *proto.Header) {
	h.Type, h.Group = proto.TypeOutline, uint32(o.next)
	o.packets = 0
	o.goTo(o.next + 1)
}
