// SPDX-License-Identifier: GPL-2.0-or-later

package qdisc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	headerLen = unix.SizeofNlMsghdr
	tcLen     = 20 // struct tcmsg: family, interface, handle, parent, info
	root      = 0xffffffff

	attrStats   = 7 // TCA_STATS2
	statsQueue  = 3 // TCA_STATS_QUEUE: length, backlog, drops, requeues, overlimits
	nestedBit   = 1 << 15
	answerTime  = 1 // seconds
	answerBytes = 1 << 16
)

var errGarbled = errors.New("qdisc: the kernel's answer cannot be understood")

// Drops returns how many packets the root discipline of an interface has dropped. It
// counts from zero again after 2^32. An interface without one drops nothing.
func Drops(ifindex int) (uint32, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerTime}); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, request(ifindex), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	b := make([]byte, answerBytes)
	for sum := uint32(0); ; {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return 0, os.NewSyscallError("recvfrom", err)
		}
		drops, done, err := parse(b[:n], ifindex)
		if sum += drops; done || err != nil {
			return sum, err
		}
	}
}

// request asks for all disciplines.
func request(ifindex int) []byte {
	b := make([]byte, headerLen+tcLen)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETQDISC)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[headerLen+4:], uint32(ifindex))
	return b
}

// parse reads a part of the answer, and reports whether it is the last one.
func parse(b []byte, ifindex int) (drops uint32, done bool, err error) {
	for len(b) >= headerLen {
		n := int(binary.NativeEndian.Uint32(b))
		if n < headerLen || n > len(b) {
			return drops, false, errGarbled
		}
		message := b[headerLen:n]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return drops, true, nil
		case unix.NLMSG_ERROR:
			if len(message) < 4 {
				return drops, false, errGarbled
			}
			return drops, true, fmt.Errorf("qdisc: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(message))))
		case unix.RTM_NEWQDISC:
			if len(message) >= tcLen && binary.NativeEndian.Uint32(message[4:]) == uint32(ifindex) && binary.NativeEndian.Uint32(message[12:]) == root {
				queue := attribute(attribute(message[tcLen:], attrStats), statsQueue)
				if len(queue) >= 12 {
					drops += binary.NativeEndian.Uint32(queue[8:])
				}
			}
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return drops, false, nil
}

// attribute returns the value of an attribute, nil if there is none.
func attribute(b []byte, typ uint16) []byte {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:])&^nestedBit == typ {
			return b[4:n]
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}
