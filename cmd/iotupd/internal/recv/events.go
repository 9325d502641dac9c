// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
)

// The events of recv, as they stand in JSON lines. Units are in the names.

// A receivedEvent is an objectEvent once a manifest has confirmed the object.
type receivedEvent struct {
	describe.ObjectEvent
	Version   string `json:"version,omitempty"`
	Component string `json:"component,omitempty"`
	Verified  bool   `json:"verified"`            // the origin is: by a signature, or by what --object or --sha256 names
	SignedBy  string `json:"signed_by,omitempty"` // id of the trusted key, of several the first
	Sequence  uint64 `json:"sequence,omitempty"`  // if it is signed
}

type resumedEvent struct {
	Object  string `json:"object"`
	Resumed uint64 `json:"shards_resumed"`
	Reused  uint64 `json:"shards_reused"`
}

type collectedEvent struct {
	Seconds   float64 `json:"seconds"` // since the first packet
	Data      uint64  `json:"data_received"`
	Parity    uint64  `json:"parity_received"`
	Digests   uint64  `json:"digests_received"`
	Outlines  uint64  `json:"outlines_received"`
	Manifests uint64  `json:"manifests_received"`
	Spanned   uint64  `json:"packets_sent"` // as in doneEvent
	Lost      uint64  `json:"packets_lost"`
}

type progressEvent struct {
	Object    string            `json:"object"`
	Held      uint64            `json:"shards_held"`
	Needed    uint64            `json:"shards_needed"`
	Groups    uint64            `json:"groups"`
	Complete  uint64            `json:"groups_complete"`
	Resumed   uint64            `json:"shards_resumed,omitempty"`
	Reused    uint64            `json:"shards_reused,omitempty"`
	Forged    uint64            `json:"shards_forged,omitempty"`
	Rate      float64           `json:"bits_per_second"`
	LossRatio float64           `json:"loss_ratio"`
	Seconds   float64           `json:"seconds_left,omitempty"`
	OwnDrops  uint64            `json:"own_drops"`
	Ignored   map[string]uint64 `json:"ignored,omitempty"`

	InventoryHeld   uint64 `json:"inventory_shards_held,omitempty"`
	InventoryNeeded uint64 `json:"inventory_shards_needed,omitempty"`
}

type doneEvent struct {
	Object string   `json:"object"`
	Name   string   `json:"name,omitempty"`
	Path   cli.Path `json:"path,omitempty"`
	Bytes  uint64   `json:"bytes"`
	SHA256 string   `json:"sha256"`
	Had    bool     `json:"had_it_already"`

	Version   string `json:"version,omitempty"` // these as in receivedEvent
	Component string `json:"component,omitempty"`
	Verified  bool   `json:"verified"`
	SignedBy  string `json:"signed_by,omitempty"`
	Sequence  uint64 `json:"sequence,omitempty"`

	Seconds   float64           `json:"seconds"`           // from the first packet to the renamed file
	Collected float64           `json:"seconds_collected"` // of seconds, until the manifest and K shards of every group were there
	Rate      float64           `json:"file_bits_per_second"`
	Needed    uint64            `json:"shards_needed"`
	Rebuilt   uint64            `json:"shards_rebuilt"`
	Resumed   uint64            `json:"shards_resumed"` // found in the partial file
	Reused    uint64            `json:"shards_reused"`  // taken from --reuse
	Forged    uint64            `json:"shards_forged"`  // dropped, on arrival or later
	Data      uint64            `json:"data_received"`
	Parity    uint64            `json:"parity_received"`
	Digests   uint64            `json:"digests_received"`
	Outlines  uint64            `json:"outlines_received"`
	Manifests uint64            `json:"manifests_received"`
	Spanned   uint64            `json:"packets_sent"` // by all senders, from the first to the last needed, of every type
	Lost      uint64            `json:"packets_lost"`
	Dropped   uint64            `json:"packets_dropped_by_flag,omitempty"`
	OwnDrops  uint64            `json:"own_drops"`
	Ignored   map[string]uint64 `json:"ignored,omitempty"`
}

type layersEvent struct {
	Layers  int     `json:"layers_joined"` // received from now on
	Seconds float64 `json:"seconds"`       // since the first packet
}

type hookEvent struct {
	Command []cli.Path `json:"command"`
	Exit    int        `json:"command_exit_code"` // -1: ended otherwise
	Seconds float64    `json:"command_seconds"`
}

// Events returns an example of every event of recv, by type, for docs/json.md.
func Events() map[string]any {
	return map[string]any{
		"listening": listen.Event{}, "found": describe.ObjectEvent{}, "object": receivedEvent{}, "resumed": resumedEvent{},
		"inventory": inventoryEvent{}, "unpacking": unpackingEvent{},
		"collected": collectedEvent{}, "layers": layersEvent{}, "progress": progressEvent{}, "done": doneEvent{}, "exec": hookEvent{},
		"listed": listedEvent{}, "file": fileEvent{}, "failed": fileFailedEvent{}, "totals": progressAllEvent{}, "finished": allEvent{},
	}
}
