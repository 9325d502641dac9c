// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// maxPacket is longer than any packet of a network.
const maxPacket = 1 << 16

// A tap is a socket that gets a copy of the IGMP and MLD packets of an interface,
// in both directions. A socket of these protocols would not do: it gets what is
// sent to multicast groups that were joined, and joining is what must not be
// seen, and it gets nothing that this host sends.
type tap struct {
	file *os.File
	raw  syscall.RawConn
	buf  []byte
}

func openTap() (*tap, error) {
	// Without a protocol it gets nothing until it is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	t := &tap{file: os.NewFile(uintptr(fd), "packet socket"), buf: make([]byte, maxPacket)}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter()); err != nil {
		t.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// filter keeps what the tap is for away from all else, above all from what this
// host sends. It reads packets from their IP header on.
func filter() *unix.SockFprog {
	const drop = 255 // more instructions than there are: to the last one
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}, // then it is on another network
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: drop},
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: drop},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolIGMP, SkipTrue: 4, SkipFalse: drop},
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: hopByHop, SkipTrue: drop},
		bpf.LoadAbsolute{Off: headerIPv6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocolICMPv6, SkipTrue: drop},
		bpf.RetConstant{Val: maxPacket},
		bpf.RetConstant{Val: 0},
	}
	for i, in := range program {
		if j, ok := in.(bpf.JumpIf); ok {
			end := uint8(len(program) - 2 - i)
			j.SkipTrue, j.SkipFalse = min(j.SkipTrue, end), min(j.SkipFalse, end)
			program[i] = j
		}
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic("listeners: internal error: " + err.Error())
	}
	code := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// bind gets the packets of the interface with that index, and makes its device
// receive the reports of hosts about a multicast group. The network does not see
// that. Errors are ignored: they come from devices that receive everything.
func (t *tap) bind(index int, group netip.Addr) error {
	return t.control(func(fd int) error {
		for _, mac := range devices(group) {
			m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(mac))}
			copy(m.Address[:], mac[:])
			unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m)
		}
		all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL})
		err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
		return os.NewSyscallError("bind", err)
	})
}

// devices lists the Ethernet addresses that queries, reports and leaves about a
// group go to.
func devices(group netip.Addr) (macs [][6]byte) {
	if group.Is4() {
		for _, to := range []string{"224.0.0.1", "224.0.0.2", "224.0.0.22"} {
			macs = append(macs, device(netip.MustParseAddr(to)))
		}
	} else {
		for _, to := range []string{"ff02::1", "ff02::2", "ff02::16"} {
			macs = append(macs, device(netip.MustParseAddr(to)))
		}
	}
	return append(macs, device(group))
}

// device is the Ethernet address of a multicast group (RFC 1112 6.4, RFC 2464 7).
func device(group netip.Addr) [6]byte {
	if group.Is4() {
		a := group.As4()
		return [6]byte{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	}
	a := group.As16()
	return [6]byte{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// read waits for a packet, which is valid until the next call; own is true if
// this host sent it.
func (t *tap) read() (p []byte, own bool, err error) {
	failed := t.raw.Read(func(fd uintptr) bool {
		var n int
		var from unix.Sockaddr
		n, from, err = unix.Recvfrom(int(fd), t.buf, 0)
		if err == nil {
			p = t.buf[:n]
			link, ok := from.(*unix.SockaddrLinklayer)
			own = ok && link.Pkttype == unix.PACKET_OUTGOING
		}
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if failed != nil {
		return nil, false, failed
	}
	return p, own, err
}

// wakeAt makes read give up with [os.ErrDeadlineExceeded] at a time; the zero
// time: never.
func (t *tap) wakeAt(at time.Time) { t.file.SetReadDeadline(at) }

// interrupt makes read give up now.
func (t *tap) interrupt() { t.file.SetReadDeadline(time.Unix(1, 0)) }

func (t *tap) close() { t.file.Close() }

func (t *tap) control(f func(fd int) error) (err error) {
	if failed := t.raw.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	return err
}
