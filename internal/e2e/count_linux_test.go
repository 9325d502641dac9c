// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"

	"iotupd/proto"
)

// Both hooks see each packet once, before anything of IP does.
//
// The counters count IP packets and their bytes, without Ethernet.
const counters = `nft -f - <<END
table netdev wire {
	counter seen {}
	counter lost {}
	chain valve {}
	chain loss {}
	chain arriving {
		type filter hook ingress device eth0 priority 0
		udp dport %[1]d counter name seen jump valve
		udp dport %[1]d jump loss
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

// closeAfter puts a valve before a host: of the packets that others send from now
// on, so many bytes pass, and the rest is dropped until open is called. So a
// transfer cannot complete while a test does something in the middle of it, however
// slow this machine is.
func (h *host) closeAfter(bytes int64) {
	h.t.Helper()
	h.valve(fmt.Sprintf(`quota over %d bytes drop`, bytes))
}

// withhold lets no shards of a sender pass, until open is called. Those of others
// pass.
func (h *host) withhold(sender *host) {
	h.t.Helper()
	address := strings.TrimSpace(sender.sh(`cat /sys/class/net/eth0/address`))
	h.valve(fmt.Sprintf(`ether saddr %s @th,88,8 { %d, %d } drop`, address, proto.TypeData, proto.TypeParity))
}

// only lets only packets of the given types pass, until open is called.
func (h *host) only(types ...proto.Type) {
	h.t.Helper()
	var pass []string
	for _, typ := range types {
		pass = append(pass, fmt.Sprint(typ))
	}
	h.valve(fmt.Sprintf(`@th,88,8 != { %s } drop`, strings.Join(pass, ", ")))
}

// valve sets the rule of the valve.
func (h *host) valve(rule string) {
	h.t.Helper()
	h.sh(fmt.Sprintf(`nft 'flush chain netdev wire valve; add rule netdev wire valve %s'`, rule))
}

// open lets everything pass again.
func (h *host) open() {
	h.t.Helper()
	h.sh(`nft flush chain netdev wire valve`)
}

// A count is what has arrived at a host, or was lost just before.
type count struct {
	seen, lost struct{ Packets, Bytes uint64 }
}

func (h *host) count() count {
	h.t.Helper()
	out := h.sh(`nft -j list counters`)
	var c count
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
