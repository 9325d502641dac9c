// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"fmt"
	"net/netip"
	"strings"
)

// dnsPort is where name servers listen.
const dnsPort = 53

// maxServers is the number of name servers of a host that are asked, as by its
// other programs.
const maxServers = 3

// ParseServer reads the address of a name server: ADDR, ADDR:PORT or
// [ADDR]:PORT. The port is 53 if it is not stated.
func ParseServer(s string) (netip.AddrPort, error) {
	server, err := netip.ParseAddrPort(s)
	if err != nil {
		server, err = netip.ParseAddrPort(fmt.Sprintf("%s:%d", s, dnsPort))
	}
	if err != nil { // IPv6 without brackets
		var a netip.Addr
		a, err = netip.ParseAddr(s)
		server = netip.AddrPortFrom(a, dnsPort)
	}
	if a := server.Addr(); err != nil || server.Port() == 0 || a.IsMulticast() || a.IsUnspecified() {
		return netip.AddrPort{}, fmt.Errorf("%.80q is not the address of a name server, such as 192.0.2.1 or [2001:db8::1]:5353", s)
	}
	return netip.AddrPortFrom(server.Addr().Unmap(), server.Port()), nil
}

// parseServers reads the name servers from the text of a resolv.conf. Without
// any, this host is its own.
func parseServers(text string) (servers []netip.AddrPort) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(servers) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(a, dnsPort))
		}
	}
	if servers == nil {
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort),
			netip.AddrPortFrom(netip.IPv6Loopback(), dnsPort),
		}
	}
	return servers
}
