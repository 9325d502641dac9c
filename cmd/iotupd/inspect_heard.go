// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/quantity"
	"iotupd/proto"
)

// A heardEvent is an object on the air.
type heardEvent struct {
	describe.ObjectEvent
	Sealed   bool                    `json:"sealed"`
	Manifest *describe.ManifestEvent `json:"manifest,omitempty"` // none: not heard, or there is no key for it
	Types    map[string]trafficEvent `json:"types"`
	Streams  []streamEvent           `json:"streams"`
	More     uint64                  `json:"packets_of_more_streams,omitempty"`
	Seconds  float64                 `json:"seconds"` // since the first packet
	otherKey bool                    // sealed, not by the key that is here
}

type trafficEvent struct {
	Packets   uint64  `json:"packets"`
	PerSecond float64 `json:"packets_per_second"`
	Rate      float64 `json:"bits_per_second"`
}

// A streamEvent is what one sender sends of an object, on one layer.
type streamEvent struct {
	From      string `json:"from"`
	Interface string `json:"interface"`
	Sender    int    `json:"sender"`
	Senders   int    `json:"senders"`
	Layer     int    `json:"layer"`
	Layers    int    `json:"layers"`
	Nominal   int64  `json:"nominal_bits_per_second,omitempty"`
	trafficEvent
	LossRatio float64 `json:"loss_ratio"`
	Stopping  bool    `json:"stopping"`
}

// A listenedEvent ends the list.
type listenedEvent struct {
	Objects   int               `json:"objects"`
	Datagrams uint64            `json:"datagrams"`
	Beyond    uint64            `json:"packets_of_more_objects,omitempty"`
	OwnDrops  uint64            `json:"own_drops"`
	Ignored   map[string]uint64 `json:"ignored,omitempty"`
}

func newHeardEvent(o *heardObject, now time.Time, trusted []proto.PublicKey) heardEvent {
	seconds := now.Sub(o.first).Seconds()
	e := heardEvent{
		ObjectEvent: describe.NewObjectEvent(o.id, o.params),
		Sealed:      o.sealed,
		Types:       make(map[string]trafficEvent),
		Streams:     []streamEvent{},
		More:        o.moreFrom,
		Seconds:     seconds,
		otherKey:    o.otherKey,
	}
	if o.manifest != nil {
		m := describe.NewManifestEvent(o.manifest, trusted, now)
		e.Manifest, e.Name = &m, m.Name
	}
	for t, c := range o.counts {
		if c.packets > 0 {
			e.Types[typeNames[t]] = c.per(seconds)
		}
	}
	for _, s := range slices.SortedStableFunc(slices.Values(o.streams), (*heardStream).compare) {
		from := netip.AddrPortFrom(s.From.Addr().Unmap().WithZone(""), s.From.Port())
		e.Streams = append(e.Streams, streamEvent{
			From: from.String(), Interface: interfaceName(s.Interface), Sender: s.path.Sender, Senders: s.path.Senders,
			Layer: s.path.Layer, Layers: s.path.Layers, Nominal: s.path.Rate.BitsPerSecond(),
			trafficEvent: s.received.per(now.Sub(s.first).Seconds()),
			LossRatio:    s.loss.Ratio(), Stopping: s.path.Flags&proto.PathBye != 0,
		})
	}
	return e
}

// compare orders streams by sender, then by layer.
func (s *heardStream) compare(o *heardStream) int {
	return cmp.Or(s.From.Addr().Compare(o.From.Addr()), cmp.Compare(s.path.Sender, o.path.Sender), cmp.Compare(s.path.Layer, o.path.Layer))
}

// interfaceName returns the name of the interface with an index; empty if there
// is none.
func interfaceName(index int) string {
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return ""
	}
	return ifi.Name
}

// typeNames are those of packets.
var typeNames = [...]string{
	proto.TypeData: "data", proto.TypeParity: "parity", proto.TypeDigest: "digest", proto.TypeManifest: "manifest",
	proto.TypeOutline: "outline",
}

// per returns the mean of so many seconds; no rate if it is too short for one.
func (t traffic) per(seconds float64) trafficEvent {
	e := trafficEvent{Packets: t.packets}
	if seconds > 0 {
		e.PerSecond, e.Rate = float64(t.packets)/seconds, 8*float64(t.bytes)/seconds
	}
	return e
}

// text is e for people.
func (e *heardEvent) text() string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	heading, rest := fmt.Sprintf("object      %s", e.Object), ""
	if e.Manifest != nil {
		heading, rest, _ = strings.Cut(e.Manifest.Text(), "\n")
	}
	b.WriteString(heading + "\n")
	for line := range strings.Lines(rest) {
		b.WriteString("  " + line)
	}
	switch {
	case e.Sealed && e.Manifest != nil:
		add("sealed      as object %s", e.Object)
	case e.otherKey:
		add("sealed      this is its keyed id; the key is not that of --group-key")
	case e.Sealed:
		add("sealed      this is its keyed id; --group-key tells the rest")
	case e.Manifest == nil:
		add("unknown     no manifest was heard; a longer --for may help")
	}
	if e.Manifest == nil {
		add("size        %s", describe.SizeInBytes(e.Bytes))
		add("shards      groups of %d+%d of %d bytes, code %s", e.K, e.M, e.Shard, e.Code)
	}
	for _, name := range typeNames {
		if t, ok := e.Types[name]; ok {
			add("%-10s  %.1f packets/s  %v", name, t.PerSecond, quantity.Rate(t.Rate))
		}
	}
	for _, s := range e.Streams {
		add("from %s on %s  %s", s.From, s.Interface, s.text())
	}
	if e.More > 0 {
		add("and %d packets of more streams", e.More)
	}
	return b.String()
}

func (s *streamEvent) text() string {
	text := fmt.Sprintf("sender %d/%d  layer %d of %d  ", s.Sender, s.Senders, s.Layer, s.Layers)
	if s.Nominal > 0 {
		text += fmt.Sprintf("about %v, here ", quantity.Rate(s.Nominal))
	}
	text += fmt.Sprintf("%v  loss %.1f%%", quantity.Rate(s.Rate), 100*s.LossRatio)
	if s.Stopping {
		text += "  stopping"
	}
	return text
}

// counts lists counters by name.
func counts(m map[string]uint64) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(list, ", ")
}
