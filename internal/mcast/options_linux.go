// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"golang.org/x/sys/unix"
)

// beforeBind sets what has to be set on a receiving socket before it is bound.
func beforeBind(fd uintptr) error {
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	// Only what this socket joined, not what any process joined. One of the two fits
	// the family; IPv6 has it since Linux 4.20, and the filter does the same.
	unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
	unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
	return nil
}

// setReceiveBuffer asks for a receive buffer of so many bytes, past the limit of
// the system if privileges allow, and returns what the kernel says it is.
func setReceiveBuffer(fd, bytes int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes) // cut to net.core.rmem_max
	}
	got, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return got
}

// preferPublicSource is IPV6_PREFER_SRC_PUBLIC of RFC 5014, which package unix lacks.
const preferPublicSource = 2

// setSendOptions sets the options of a sending socket that only Linux has, or
// that every system has by another name. Nothing works less without them but
// fragmentation, so that is the one that may fail.
func setSendOptions(f family, fd uintptr) error {
	s := int(fd)
	// Nothing is ever read, so the kernel takes nothing: a filter of the one
	// instruction "return 0 bytes", and the smallest buffer.
	refuse := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	unix.SetsockoptSockFprog(s, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &refuse})
	unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, 0)
	// PROBE: never fragment, and use the MTU of the interface alone. A router's
	// message about the path to one receiver, genuine or forged, must not stop
	// the stream.
	if f == ipv4Family {
		unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
		return unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}
	unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
	// Source-specific receivers know the stable address, not one of the temporary ones.
	unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_ADDR_PREFERENCES, preferPublicSource)
	// Both forbid fragmentation; emulators of other processors do not know the second.
	probe := unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	if err := unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1); err != unix.ENOPROTOOPT {
		return err
	}
	return probe
}
