// SPDX-License-Identifier: GPL-2.0-or-later

package netif

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// system asks netlink, twice however many interfaces there are.
func system() ([]Interface, error) {
	links, err := dump(unix.RTM_GETLINK)
	if err != nil {
		return nil, err
	}
	addresses, err := dump(unix.RTM_GETADDR)
	if err != nil {
		return nil, err
	}
	return parseNetlink(links, addresses), nil
}

// dump returns all that netlink has of a kind.
func dump(kind int) ([]syscall.NetlinkMessage, error) {
	b, err := syscall.NetlinkRIB(kind, unix.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("netlinkrib", err)
	}
	messages, err := syscall.ParseNetlinkMessage(b)
	return messages, os.NewSyscallError("parsenetlinkmessage", err)
}

// parseNetlink leaves out what it does not understand.
func parseNetlink(links, addresses []syscall.NetlinkMessage) (found []Interface) {
	at := make(map[uint32]int)       // in found, by index
	masters := make(map[int]uint32)  // by place in found
	kinds := make(map[uint32]string) // by index
	for _, m := range links {
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		index := binary.NativeEndian.Uint32(m.Data[4:])
		i, master, kind := parseLink(m)
		i.Index, i.Flags = int(index), netFlagsOf(binary.NativeEndian.Uint32(m.Data[8:]))
		kinds[index] = kind
		if master != 0 {
			masters[len(found)] = master
		}
		at[index] = len(found)
		found = append(found, i)
	}
	for n, master := range masters {
		if m, ok := at[master]; ok {
			found[n].Master, found[n].MasterKind = found[m].Name, kinds[master]
		}
	}
	for _, m := range addresses {
		if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
			continue
		}
		if n, ok := at[binary.NativeEndian.Uint32(m.Data[4:])]; ok {
			if a, ok := parseAddress(m); ok {
				found[n].Has = append(found[n].Has, a)
			}
		}
	}
	return found
}

// parseLink returns what the attributes of a link say.
func parseLink(m syscall.NetlinkMessage) (i Interface, master uint32, kind string) {
	attributes, _ := syscall.ParseNetlinkRouteAttr(&m)
	for _, a := range attributes {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_IFNAME:
			i.Name = text(a.Value)
		case unix.IFLA_MTU:
			i.MTU = int(number(a.Value))
		case unix.IFLA_ADDRESS:
			if len(bytes.Trim(a.Value, "\x00")) > 0 {
				i.HardwareAddr = bytes.Clone(a.Value)
			}
		case unix.IFLA_MASTER:
			master = number(a.Value)
		case unix.IFLA_LINKINFO:
			kind = kindOf(a.Value)
		}
	}
	return i, master, kind
}

// kindOf returns the kind of an interface, which stands among nested attributes.
func kindOf(info []byte) string {
	for len(info) >= unix.SizeofRtAttr {
		size, kind := int(binary.NativeEndian.Uint16(info)), binary.NativeEndian.Uint16(info[2:])
		if size < unix.SizeofRtAttr || size > len(info) {
			return ""
		}
		if kind == unix.IFLA_INFO_KIND {
			return text(info[unix.SizeofRtAttr:size])
		}
		info = info[min(len(info), (size+3)&^3):]
	}
	return ""
}

// parseAddress returns the own address, not the address of the other end.
func parseAddress(m syscall.NetlinkMessage) (a Address, ok bool) {
	attributes, _ := syscall.ParseNetlinkRouteAttr(&m)
	flags := uint32(m.Data[2])
	var own, either netip.Addr
	for _, attribute := range attributes {
		switch attribute.Attr.Type {
		case unix.IFA_LOCAL:
			own, _ = netip.AddrFromSlice(attribute.Value)
		case unix.IFA_ADDRESS:
			either, _ = netip.AddrFromSlice(attribute.Value)
		case unix.IFA_FLAGS:
			flags = number(attribute.Value)
		}
	}
	if !own.IsValid() {
		own = either
	}
	return addressOf(own, flags), own.IsValid()
}

// addressOf returns an address with what its flags mean. One that failed also
// stays tentative.
func addressOf(a netip.Addr, flags uint32) Address {
	failed := flags&unix.IFA_F_DADFAILED != 0
	return Address{
		Addr:       a.Unmap(),
		Tentative:  flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0 && !failed,
		Failed:     failed,
		Deprecated: flags&unix.IFA_F_DEPRECATED != 0,
		Secondary:  flags&unix.IFA_F_SECONDARY != 0,
	}
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func number(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

// subscribe opens a netlink socket on which the kernel announces that interfaces
// or their addresses have changed. Some sandboxes forbid that.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// announcements returns a channel that gets an element after a change of the
// interfaces, and is closed when the kernel announces no more. stop ends them, and
// waits for the goroutine that reads them. An error says that there are none.
func announcements() (changed <-chan struct{}, stop func(), err error) {
	f, err := subscribe()
	if err != nil {
		return nil, func() {}, err
	}
	ch, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(ch)
		var message [4096]byte // what it says does not matter
		for {
			_, err := f.Read(message[:])
			if err != nil && !isLost(err) {
				return
			}
			select {
			case ch <- struct{}{}:
			default: // one is there already
			}
		}
	}()
	return ch, func() { f.Close(); <-ended }, nil
}
