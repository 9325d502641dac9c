// SPDX-License-Identifier: GPL-2.0-or-later

//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package mcast

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// beforeBind sets what has to be set on a receiving socket before it is bound.
// Sharing a port takes SO_REUSEPORT here; SO_REUSEADDR shares it with programs
// that know only that.
func beforeBind(fd uintptr) error {
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// ipDontFragment is IP_DONTFRAG where there is such an option.
var ipDontFragment = map[string]int{"darwin": 28, "freebsd": 67}

// setSendOptions forbids fragmentation, where the system can.
func setSendOptions(f family, fd uintptr) error {
	if f == ipv6Family {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1)
	}
	if option, ok := ipDontFragment[runtime.GOOS]; ok {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, option, 1)
	}
	return nil
}

func readBufferSize(fd uintptr) int {
	n, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n
}
