// SPDX-License-Identifier: GPL-2.0-or-later

package qdisc

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func u16(n int) []byte   { return binary.NativeEndian.AppendUint16(nil, uint16(n)) }
func u32(n int64) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }

func attr(typ int, value []byte) []byte { return slices.Concat(u16(4+len(value)), u16(typ), value) }

// discipline is what the kernel says of one, of the interface with that index.
func discipline(ifindex, parent, drops int64) []byte {
	queue := slices.Concat(u32(1), u32(2), u32(drops), u32(3), u32(4))
	body := slices.Concat(u32(0), u32(ifindex), u32(0), u32(parent), u32(0),
		attr(1, []byte("tbf\x00")), attr(attrStats|nestedBit, slices.Concat(attr(1, make([]byte, 16)), attr(statsQueue, queue))))
	return message(unix.RTM_NEWQDISC, body)
}

func message(typ int, body []byte) []byte {
	return slices.Concat(u32(int64(headerLen+len(body))), u16(typ), u16(0), u32(0), u32(0), body)
}

func TestDropsOfTheRootDisciplineCount(t *testing.T) {
	answer := slices.Concat(discipline(7, root, 100), discipline(7, 0x10000, 50), discipline(8, root, 1000))
	if drops, done, err := parse(answer, 7); drops != 100 || done || err != nil {
		t.Errorf("got %d, %v, %v", drops, done, err)
	}
	if _, done, err := parse(message(unix.NLMSG_DONE, u32(0)), 7); !done || err != nil {
		t.Errorf("the end: got %v, %v", done, err)
	}
	if _, done, err := parse(message(unix.NLMSG_ERROR, u32(-int64(unix.EPERM))), 7); !done || err == nil {
		t.Errorf("an error: got %v, %v", done, err)
	}
	for i := range answer { // nothing panics
		parse(answer[:i], 7)
		bad := slices.Clone(answer)
		bad[i] ^= 0xff
		parse(bad, 7)
	}
}

func TestLoopbackDropsNothing(t *testing.T) {
	if drops, err := Drops(1); err != nil {
		t.Skip("netlink is forbidden here: ", err)
	} else if drops != 0 {
		t.Errorf("got %d", drops)
	}
}
