// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import "golang.org/x/sys/windows"

// beforeBind sets what has to be set on a receiving socket before it is bound.
func beforeBind(fd uintptr) error {
	return windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
}

// dontFragment is IP_DONTFRAGMENT and IPV6_DONTFRAG of ws2ipdef.h.
const dontFragment = 14

// setSendOptions forbids fragmentation.
func setSendOptions(f family, fd uintptr) error {
	level := windows.IPPROTO_IP
	if f == ipv6Family {
		level = windows.IPPROTO_IPV6
	}
	return windows.SetsockoptInt(windows.Handle(fd), level, dontFragment, 1)
}

func readBufferSize(fd uintptr) int {
	n, _ := windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_RCVBUF)
	return n
}
