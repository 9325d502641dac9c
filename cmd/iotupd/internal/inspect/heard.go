// SPDX-License-Identifier: GPL-2.0-or-later

package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/netif"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver/monitor"
)

// A heardEvent is an object that is being sent.
type heardEvent struct {
	describe.ObjectEvent
	Sealed   bool                    `json:"sealed"`
	Manifest *describe.ManifestEvent `json:"manifest,omitempty"` // none: not heard, or there is no key for it
	Types    map[string]trafficEvent `json:"types"`
	OfList   map[string]trafficEvent `json:"inventory_types,omitempty"` // of the inventory, if it is a directory
	Streams  []streamEvent           `json:"streams"`
	More     uint64                  `json:"packets_of_more_streams,omitempty"`
	Seconds  float64                 `json:"seconds"` // since the first packet
	Share    float64                 `json:"share_of_sender"`
	Needs    float64                 `json:"seconds_to_receive,omitempty"` // as many shards as the file has, at this rate
	otherKey bool                    // sealed, not by the key that is here
}

type trafficEvent struct {
	Packets   uint64  `json:"packets_received"`
	PerSecond float64 `json:"packets_per_second"`
	Rate      float64 `json:"bits_per_second"`
}

// A streamEvent is what one sender sends of an object, on one layer.
type streamEvent struct {
	From      string `json:"from"`
	FromPort  uint16 `json:"from_port"`
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

// An entryEvent is an object of a catalogue.
type entryEvent struct {
	Object   string                 `json:"object"`
	Heard    bool                   `json:"object_heard"` // packets of it have arrived
	Manifest describe.ManifestEvent `json:"manifest"`
}

// A listenedEvent ends the list.
type listenedEvent struct {
	Objects   int               `json:"objects"`
	Listed    int               `json:"objects_listed,omitempty"` // in a catalogue
	Datagrams uint64            `json:"datagrams"`
	Beyond    uint64            `json:"packets_of_more_objects,omitempty"`
	OwnDrops  uint64            `json:"own_drops"`
	Ignored   map[string]uint64 `json:"ignored,omitempty"`
}

func newHeardEvent(m *monitor.Monitor, o *monitor.Object, now time.Time, trusted []proto.PublicKey) heardEvent {
	share, needs := m.Of(o, now)
	seconds := now.Sub(o.First).Seconds()
	e := heardEvent{
		ObjectEvent: describe.NewObjectEvent(o.ID, o.Params),
		Sealed:      o.Sealed,
		Types:       make(map[string]trafficEvent),
		Streams:     []streamEvent{},
		More:        o.MoreFrom,
		Seconds:     seconds,
		Share:       share,
		Needs:       needs.Seconds(),
		otherKey:    o.OtherKey,
	}
	if o.Manifest != nil {
		m := describe.NewManifestEvent(o.Manifest, trusted, now)
		e.Manifest, e.Name = &m, m.Name
	}
	addTypes(e.Types, o, seconds)
	if i := m.InventoryOf(o); i != nil {
		e.OfList = make(map[string]trafficEvent)
		addTypes(e.OfList, i, seconds)
	}
	for _, s := range slices.SortedStableFunc(slices.Values(o.Streams), compareStreams) {
		e.Streams = append(e.Streams, streamEvent{
			From: s.From.Addr().Unmap().WithZone("").String(), FromPort: s.From.Port(), Interface: interfaceName(s.Interface), Sender: s.Path.Sender, Senders: s.Path.Senders,
			Layer: s.Path.Layer, Layers: s.Path.Layers, Nominal: s.Path.Rate.BitsPerSecond(),
			trafficEvent: rates(s.Received, now.Sub(s.First).Seconds()),
			LossRatio:    s.Loss.Ratio(), Stopping: s.Path.Flags&proto.PathBye != 0,
		})
	}
	return e
}

// addTypes adds the traffic of an object by type.
func addTypes(types map[string]trafficEvent, o *monitor.Object, seconds float64) {
	for t, c := range o.Counts {
		if c.Packets > 0 {
			types[typeNames[t]] = rates(c, seconds)
		}
	}
}

// compareStreams orders streams by sender, then by layer.
func compareStreams(s, o *monitor.Stream) int {
	return cmp.Or(s.From.Addr().Compare(o.From.Addr()), cmp.Compare(s.Path.Sender, o.Path.Sender), cmp.Compare(s.Path.Layer, o.Path.Layer))
}

// interfaceName returns the name of the interface with an index; empty if there
// is none.
func interfaceName(index int) string {
	ifi, err := netif.ByIndex(index)
	if err != nil {
		return ""
	}
	return ifi.Name
}

// typeNames are the names of packet types.
var typeNames = [...]string{
	proto.TypeData: "data", proto.TypeParity: "parity", proto.TypeDigest: "digest", proto.TypeManifest: "manifest",
	proto.TypeOutline: "outline",
}

// rates returns the mean of so many seconds; no rate if it is too short for one.
func rates(t monitor.Traffic, seconds float64) trafficEvent {
	e := trafficEvent{Packets: t.Packets}
	if seconds > 0 {
		e.PerSecond, e.Rate = float64(t.Packets)/seconds, 8*float64(t.Bytes)/seconds
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
		add("sealed      this is its keyed id; give --group-key to see the rest")
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
	if len(e.OfList) > 0 {
		all := trafficEvent{}
		for _, t := range e.OfList {
			all.PerSecond, all.Rate = all.PerSecond+t.PerSecond, all.Rate+t.Rate
		}
		add("inventory   %.1f packets/s  %v", all.PerSecond, quantity.Rate(all.Rate))
	}
	if e.Share < 1 {
		add("share       %.1f %% of the packets of its sender", 100*e.Share)
	}
	if e.Share < 1 && e.Needs > 0 {
		add("needs       %s at this rate", quantity.Duration(time.Duration(e.Needs*float64(time.Second))))
	}
	for _, s := range e.Streams {
		add("from %s on %s  %s", net.JoinHostPort(s.From, strconv.Itoa(int(s.FromPort))), s.Interface, s.text())
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

// Events returns an example of every event of inspect, by type, for docs/json.md.
func Events() map[string]any {
	return map[string]any{
		"listening": listen.Event{}, "heard": heardEvent{}, "entry": entryEvent{}, "content": fileEvent{}, "listened": listenedEvent{},
		"manifest": describe.ManifestEvent{}, "partial": partEvent{},
	}
}
