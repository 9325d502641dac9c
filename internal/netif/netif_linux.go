// SPDX-License-Identifier: GPL-2.0-or-later

package netif

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutNetlink lists the interfaces by files of /proc/net and ioctls of a
// socket. Unlike /sys/class/net, both show the network namespace of this process.
func withoutNetlink() ([]Interface, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("nor without netlink: %w", os.NewSyscallError("socket", err))
	}
	defer unix.Close(s)
	devices, err := readNet("dev")
	v6, _ := readNet("if_inet6") // a host without IPv6 does not have it
	addresses := addresses4(s)
	names := parseDevices(string(devices))
	for name, list := range parseAddresses6(string(v6)) {
		addresses[name] = append(addresses[name], list...)
	}
	for name := range addresses { // where /proc/net/dev is hidden
		names = append(names, name)
	}
	slices.Sort(names)
	var found []Interface
	for _, name := range slices.Compact(names) {
		i, failed := describe(s, name)
		if failed != nil { // it may have just vanished
			err = failed
			continue
		}
		ifi := Interface{Interface: i, Has: addresses[name]}
		ifi.Master, ifi.MasterKind = masterIn("/sys/class/net", i)
		found = append(found, ifi)
	}
	if found == nil {
		return nil, fmt.Errorf("nor without netlink: %w; allow this process netlink sockets, or ioctls of sockets and to read /proc/net",
			cmp.Or(err, errors.New("/proc/net/dev is empty")))
	}
	slices.SortFunc(found, func(a, b Interface) int { return a.Index - b.Index })
	return found, nil
}

// readNet reads a file of the network. ProcSubset=pid of systemd hides /proc/net, and
// kernels before 3.17 have no /proc/thread-self.
func readNet(name string) ([]byte, error) {
	b, err := os.ReadFile("/proc/thread-self/net/" + name)
	if err != nil {
		return os.ReadFile("/proc/net/" + name)
	}
	return b, nil
}

// parseDevices returns the names of /proc/net/dev, which has two lines of headings:
//
//	Inter-|   Receive ...
//	 face |bytes    packets ...
//	    lo:    5012      46 ...
func parseDevices(text string) (names []string) {
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// parseAddresses6 returns the addresses of /proc/net/if_inet6 by interface:
//
//	address in hexadecimal, index, prefix length, scope, flags, name
func parseAddresses6(text string) map[string][]Address {
	found := make(map[string][]Address)
	for line := range strings.Lines(text) {
		column := strings.Fields(line)
		if len(column) != 6 {
			continue
		}
		flags, err := strconv.ParseUint(column[4], 16, 32)
		if b, failed := hex.DecodeString(column[0]); err == nil && failed == nil && len(b) == 16 {
			found[column[5]] = append(found[column[5]], addressOf(netip.AddrFrom16([16]byte(b)), uint32(flags)))
		}
	}
	return found
}

// addresses4 returns the IPv4 addresses of the host by interface. Where they cannot
// be listed, there are none.
func addresses4(s int) map[string][]Address {
	found := make(map[string][]Address)
	for _, r := range interfaceRequests(s) {
		b, err := r.Inet4Addr()
		if err != nil {
			continue
		}
		name, _, _ := strings.Cut(r.Name(), ":") // what follows is a label of the address
		found[name] = append(found[name], Address{Addr: netip.AddrFrom4([4]byte(b))})
	}
	return found
}

// An ifconf is struct ifconf of netdevice(7), which package unix lacks.
type ifconf struct {
	bytes    int32
	requests unsafe.Pointer
}

// interfaceRequests returns what SIOCGIFCONF lists. The kernel fills the memory that
// it is given, and does not report that it had more.
func interfaceRequests(s int) []unix.Ifreq {
	const size = int(unsafe.Sizeof(unix.Ifreq{}))
	for room := 64; ; room *= 2 {
		list := make([]unix.Ifreq, room)
		conf := ifconf{int32(room * size), unsafe.Pointer(&list[0])}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&conf)))
		runtime.KeepAlive(list)
		n := int(conf.bytes) / size
		if errno != 0 || n < 0 || n > room {
			return nil
		}
		if n < room {
			return list[:n]
		}
	}
}

// describe asks for everything about an interface but its addresses.
func describe(s int, name string) (i net.Interface, err error) {
	i.Name = name
	var flags uint32
	for _, q := range []struct {
		request uint
		take    func(r *unix.Ifreq)
	}{
		{unix.SIOCGIFINDEX, func(r *unix.Ifreq) { i.Index = int(r.Uint32()) }},
		{unix.SIOCGIFMTU, func(r *unix.Ifreq) { i.MTU = int(r.Uint32()) }},
		{unix.SIOCGIFFLAGS, func(r *unix.Ifreq) { flags = uint32(r.Uint16()) }},
	} {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return i, err
		}
		if err := unix.IoctlIfreq(s, q.request, r); err != nil {
			return i, fmt.Errorf("%s: %w", name, os.NewSyscallError("ioctl", err))
		}
		q.take(r)
	}
	i.Flags = netFlagsOf(flags)
	return i, nil
}

func netFlagsOf(flags uint32) (f net.Flags) {
	for bit, flag := range netFlags {
		if flags&bit != 0 {
			f |= flag
		}
	}
	return f
}

// masterIn returns the interface that i is a part of, as a folder like
// /sys/class/net says. That folder may show another network namespace: the index
// decides.
func masterIn(folder string, i net.Interface) (name, kind string) {
	index, _ := os.ReadFile(filepath.Join(folder, i.Name, "ifindex"))
	link, err := os.Readlink(filepath.Join(folder, i.Name, "master"))
	if err != nil || strings.TrimSpace(string(index)) != strconv.Itoa(i.Index) {
		return "", ""
	}
	name = filepath.Base(link)
	for sub, kind := range map[string]string{"bridge": "bridge", "bonding": "bond"} {
		if _, err := os.Stat(filepath.Join(folder, name, sub)); err == nil {
			return name, kind
		}
	}
	return name, ""
}

// isLost reports that announcements were missed because the buffer was full.
func isLost(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// netFlags are the names that package net has for flags of the kernel.
var netFlags = map[uint32]net.Flags{
	unix.IFF_UP:          net.FlagUp,
	unix.IFF_BROADCAST:   net.FlagBroadcast,
	unix.IFF_LOOPBACK:    net.FlagLoopback,
	unix.IFF_POINTOPOINT: net.FlagPointToPoint,
	unix.IFF_MULTICAST:   net.FlagMulticast,
	unix.IFF_RUNNING:     net.FlagRunning,
}
