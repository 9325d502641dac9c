// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"iotupd/internal/netif"
)

// canChooseSource says that each datagram can state its source, whatever its
// socket is bound to.
const canChooseSource = true

// A sendControl has the control messages of datagrams: one that says which address they
// come from, if that is stated, and one that says where to cut a run.
type sendControl struct {
	messages [16]uint64 // which aligns them
	source   int        // bytes of the first one; zero: there is none
}

// setSource states the address, which has to be one of the interface; an invalid
// one leaves it to the kernel. The kernel checks for every datagram that the
// address exists. For IPv4, the option of the socket states the interface, whose
// byte order some emulators would garble here.
func (c *sendControl) setSource(a netip.Addr, index int) {
	c.source = 0
	switch {
	case a.Is4():
		v4 := a.As4()
		copy(c.put(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)[4:], v4[:])
		c.source = unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	case a.Is6():
		v6 := a.As16()
		data := c.put(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		copy(data, v6[:])
		binary.NativeEndian.PutUint32(data[16:], uint32(index))
		c.source = unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
}

// setSegment states the size of the datagrams of a run.
func (c *sendControl) setSegment(bytes int) {
	binary.NativeEndian.PutUint16(c.put(unix.SOL_UDP, unix.UDP_SEGMENT, 2), uint16(bytes))
}

// bytes returns the size of the messages, for a run or for one datagram.
func (c *sendControl) bytes(run bool) int {
	if run {
		return c.source + unix.CmsgSpace(2)
	}
	return c.source
}

// put starts the message after the source, and returns the place for its content.
func (c *sendControl) put(level, kind int32, size int) []byte {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&c.messages)), unsafe.Sizeof(c.messages))[c.source:]
	clear(b[:unix.CmsgSpace(size)])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return b[unix.CmsgLen(0):unix.CmsgLen(size)]
}

// lacksSource reports whether the interface does not have the address that datagrams
// are to come from, as far as that can be found out.
func (c *Conn) lacksSource() bool {
	if !c.cfg.Source.IsValid() {
		return false
	}
	i, err := netif.ByIndex(c.index)
	return err == nil && !slices.ContainsFunc(i.Has, func(a netif.Address) bool { return a.Addr == c.cfg.Source && a.Usable() })
}

// stateSource states the source, with the interface that it is one of now.
func (c *Conn) stateSource() { c.sys.control.setSource(c.cfg.Source, c.index) }
