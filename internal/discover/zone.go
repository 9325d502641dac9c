// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// zoneTTL is the time to live of printed records, in seconds: short enough to
// move a sender, long enough for the name servers.
const zoneTTL = 300

// zonePriority leaves room for better and worse senders.
const zonePriority = 10

// A Sender is what DNS should say about one sender of a channel.
type Sender struct {
	Name  string       // of the channel, as of [ParseName]
	Host  string       // of the sender; an invalid host name is made valid
	Addrs []netip.Addr // that its packets may come from; those that mean nothing elsewhere are left out
	Port  uint16       // that they go to
	Group netip.Addr   // that they go to, on layer 0

	Layers int    // up to 16; if zero, 1
	KeyID  string // 16 hexadecimal digits; empty: none
}

// Zone returns the records by which receivers find a sender, one a line, as a
// zone file has them. The error is that no address is left for them.
func Zone(s Sender) (string, error) {
	addrs := slices.DeleteFunc(slices.Clone(s.Addrs), func(a netip.Addr) bool {
		return !isHost(a) || a.IsLinkLocalUnicast() || a.Zone() != "" || a.Is4() != s.Group.Is4()
	})
	if len(addrs) == 0 {
		return "", fmt.Errorf("no address to publish for senders to %v: none of %v is global or unique local", s.Group, s.Addrs)
	}
	host := hostLabel(s.Host) + "." + s.Name
	text := []string{version, groupKey(s.Group) + s.Group.String()}
	if s.Layers > 1 {
		text = append(text, fmt.Sprintf("l=%d", s.Layers))
	}
	if s.KeyID != "" {
		text = append(text, "k="+s.KeyID)
	}
	var b strings.Builder
	line := func(name, typ, data string) { fmt.Fprintf(&b, "%s. %d IN %s %s\n", name, zoneTTL, typ, data) }
	line(service+s.Name, "SRV", fmt.Sprintf("%d 0 %d %s.", zonePriority, s.Port, host))
	line(service+s.Name, "TXT", `"`+strings.Join(text, `" "`)+`"`)
	for _, a := range addrs {
		typ := "AAAA"
		if a.Is4() {
			typ = "A"
		}
		line(host, typ, a.String())
	}
	return b.String(), nil
}

// groupKey is the key of a multicast group in the TXT record.
func groupKey(group netip.Addr) string {
	if group.Is4() {
		return "g4="
	}
	return "g="
}

// hostLabel makes the label of a host from the name that it gives itself.
func hostLabel(host string) string {
	first, _, _ := strings.Cut(strings.ToLower(host), ".")
	label := strings.Map(func(r rune) rune {
		if notOfHost(r) {
			return '-'
		}
		return r
	}, first)
	if label = strings.Trim(label[:min(len(label), 63)], "-"); label == "" {
		return "sender"
	}
	return label
}
