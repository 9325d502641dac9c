// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"time"

	"iotupd/proto"
)

// Both hooks see each packet once, before anything of IP does.
//
// The counters count IP packets and their bytes, without Ethernet.
const counters = `nft -f - <<END
table netdev wire {
	counter seen {}
	counter lost {}
	chain loss {}
	chain arriving {
		type filter hook ingress device eth0 priority 0
		udp dport %d counter name seen jump loss
	}
}
END`

func (h *host) addCounters() {
	h.t.Helper()
	h.sh(fmt.Sprintf(counters, proto.DefaultPort))
}

// lose makes the network lose that share of all that is sent to a host, each
// packet by its own throw of a die in the kernel.
func (h *host) lose(percent int) {
	h.t.Helper()
	h.sh(`nft flush chain netdev wire loss`)
	if percent > 0 {
		h.sh(fmt.Sprintf(`nft add rule netdev wire loss numgen random mod 100 \< %d counter name lost drop`, percent))
	}
}

// A count is what has arrived at a host, or was lost just before.
type count struct {
	at         time.Time
	seen, lost struct{ Packets, Bytes uint64 }
}

func (h *host) count() count {
	h.t.Helper()
	before := time.Now()
	out := h.sh(`nft -j list counters`)
	c := count{at: before.Add(time.Since(before) / 2)}
	var list struct {
		Nftables []struct {
			Counter struct {
				Name           string
				Packets, Bytes uint64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		h.t.Fatal(err)
	}
	for _, e := range list.Nftables {
		switch e.Counter.Name {
		case "seen":
			c.seen.Packets, c.seen.Bytes = e.Counter.Packets, e.Counter.Bytes
		case "lost":
			c.lost.Packets, c.lost.Bytes = e.Counter.Packets, e.Counter.Bytes
		}
	}
	return c
}
