// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import "testing"

func TestCountersOfTheKernelAreFound(t *testing.T) {
	const snmp = `Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 11 22 33 44 55 66 77
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
UdpLite: 1 2 3 4 5 6
`
	const snmp6 = `Udp6RcvbufErrors                	55
Udp6SndbufErrors                	67
UdpLite6SndbufErrors            	7
`
	if got := droppedOfIPv4(snmp); got != 66 {
		t.Errorf("IPv4: got %d, want 66", got)
	}
	if got := droppedOfIPv6(snmp6); got != 67 {
		t.Errorf("IPv6: got %d, want 67", got)
	}
	for _, odd := range []string{"", "Udp:\nUdp:\n", "Udp: SndbufErrors\nUdp:\n", "Udp: SndbufErrors\nUdp: x\n", "Udp6SndbufErrors\n", "Udp6SndbufErrors -1\n"} {
		if a, b := droppedOfIPv4(odd), droppedOfIPv6(odd); a != 0 || b != 0 {
			t.Errorf("%q: got %d and %d, want 0", odd, a, b)
		}
	}
}
