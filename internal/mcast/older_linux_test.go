// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/internal/netif"
)

// An older system answers the options of RFC 3678 with an error number.
type older struct {
	packetConn
	answer syscall.Errno
}

func (o older) answered() error { return os.NewSyscallError("setsockopt", o.answer) }

func (o older) JoinGroup(*net.Interface, net.Addr) error                         { return o.answered() }
func (o older) LeaveGroup(*net.Interface, net.Addr) error                        { return o.answered() }
func (o older) JoinSourceSpecificGroup(*net.Interface, net.Addr, net.Addr) error { return o.answered() }
func (o older) LeaveSourceSpecificGroup(*net.Interface, net.Addr, net.Addr) error {
	return o.answered()
}
func (o older) SetMulticastInterface(*net.Interface) error { return o.answered() }

// openOlder opens a socket for the multicast group of m that knows only the older
// options.
func openOlder(t *testing.T, m member, answer syscall.Errno) *Socket {
	t.Helper()
	s, err := openSocket(familyOf(m.Group), ListenConfig{Port: freePort(t)}.withDefaults())
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	s.groups = older{s.groups, answer}
	return s
}

// onLoopback is a membership there.
func onLoopback(t *testing.T, group, source string) member {
	t.Helper()
	lo, err := netif.ByName("lo")
	if err != nil {
		t.Skip(err)
	}
	m := member{Membership{Interface: "lo", Group: netip.MustParseAddr(group)}, lo.Index}
	if source != "" {
		m.Source = netip.MustParseAddr(source)
	}
	return m
}

// sayFrom sends a datagram to the multicast group of m over the loopback
// interface.
func sayFrom(t *testing.T, source string, s *Socket, m member) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(source)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := newPacketConn(ipv4Family, c).SetMulticastInterface(&net.Interface{Index: m.index}); err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(m.Group, uint16(s.conn.LocalAddr().(*net.UDPAddr).Port))
	if _, err := c.WriteToUDPAddrPort([]byte(source), to); err != nil {
		t.Fatal(err)
	}
}

// heard returns what has arrived at s. What the loopback interface carries has
// arrived when the sending of it has returned.
func heard(t *testing.T, s *Socket) (all []string) {
	t.Helper()
	for b := make([]byte, 100); ; {
		n, err := 0, error(nil)
		if e := s.sys.raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT) }); e != nil {
			t.Fatal(e)
		}
		if err != nil {
			return all
		}
		all = append(all, string(b[:n]))
	}
}

func TestGroupsAreJoinedAndLeftByTheOlderOptions(t *testing.T) {
	for _, test := range []struct {
		name, group, source, want string
	}{
		{"any source", "239.255.8.42", "", "127.0.0.1 127.0.0.2"},
		{"one source", "232.1.8.42", "127.0.0.2", "127.0.0.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := onLoopback(t, test.group, test.source)
			s := openOlder(t, m, unix.ENOPROTOOPT)
			say := func() string {
				sayFrom(t, "127.0.0.1", s, m)
				sayFrom(t, "127.0.0.2", s, m)
				return strings.Join(heard(t, s), " ")
			}
			if got := say(); got != "" {
				t.Fatalf("before: heard %q", got)
			}
			if err := s.join(m); err != nil {
				t.Fatal(err)
			}
			if got := say(); got != test.want {
				t.Errorf("joined: heard %q, want %q", got, test.want)
			}
			s.leave(m)
			if got := say(); got != "" {
				t.Errorf("left: heard %q", got)
			}
		})
	}
}

// Linux delivers no IPv6 multicast on the loopback interface, but counts who joined.
func TestIPv6GroupsAreJoinedAndLeftByTheOlderOptions(t *testing.T) {
	m := onLoopback(t, "ff15::8:"+strconv.FormatInt(int64(os.Getpid()&0xffff|0x1000), 16), "")
	s := openOlder(t, m, unix.ENOPROTOOPT)
	if err := s.join(m); errors.Is(err, unix.ENODEV) {
		t.Skipf("no IPv6 on the loopback interface: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if !joined6(t, m) {
		t.Error("not joined")
	}
	s.leave(m)
	if joined6(t, m) {
		t.Error("not left")
	}
}

// joined6 reports whether any socket has joined the multicast group of m.
func joined6(t *testing.T, m member) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/net/igmp6")
	if err != nil {
		t.Skip(err)
	}
	return strings.Contains(string(table), strings.ReplaceAll(m.Group.StringExpanded(), ":", ""))
}

func TestOnlyAnUnknownOptionIsReplaced(t *testing.T) {
	m := onLoopback(t, "239.255.8.42", "")
	s := openOlder(t, m, unix.ENOBUFS)
	if err := s.join(m); !errors.Is(err, unix.ENOBUFS) || !strings.Contains(err.Error(), "igmp_max_memberships") {
		t.Errorf("got %v, want the error of the option that failed", err)
	}
	if sayFrom(t, "127.0.0.1", s, m); len(heard(t, s)) > 0 {
		t.Error("joined all the same")
	}
}

func TestSourcesThatCannotBeChosenAreReportedInOneLine(t *testing.T) {
	m := onLoopback(t, "ff35::8:0", "fd77::1")
	s := openOlder(t, m, unix.ENOPROTOOPT)
	err := s.join(m)
	if want := "this system cannot choose the sources of IPv6 groups; leave out --source"; !errors.Is(err, unix.ENOPROTOOPT) ||
		!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %q", err, want)
	}
	m = onLoopback(t, "232.1.8.42", "127.0.0.2")
	m.index = 1 << 30
	if err := openOlder(t, m, unix.ENOPROTOOPT).join(m); err == nil || !strings.Contains(err.Error(), "no IPv4 address of its own") {
		t.Errorf("no such interface: got %v", err)
	}
}

func TestSendersChooseTheInterfaceWithoutTheOptionForIt(t *testing.T) {
	m := onLoopback(t, "239.255.8.42", "")
	s := openOlder(t, m, unix.ENOPROTOOPT)
	if err := s.join(m); err != nil {
		t.Fatal(err)
	}
	lo, err := InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	c, err := Dial(SendConfig{Group: m.Group, Port: uint16(s.conn.LocalAddr().(*net.UDPAddr).Port), Interface: lo})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	whole := c.group
	c.group = older{whole, unix.ENOBUFS}
	if err := c.setInterface(lo.Index); !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("got %v, want the error of the option that failed", err)
	}
	if err := whole.SetMulticastInterface(nil); err != nil { // whatever the routes say
		t.Fatal(err)
	}
	c.group = older{whole, unix.ENOPROTOOPT}
	if err := c.setInterface(lo.Index); errors.Is(err, unix.EPERM) {
		t.Skipf("this kernel, before 5.7, wants privileges: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSegments([]byte("hello"), 100); err != nil {
		t.Fatal(err)
	}
	if got := heard(t, s); len(got) != 1 || got[0] != "hello" {
		t.Errorf("heard %q over the loopback interface", got)
	}
}

// Emulators know one of the two options that forbid fragmentation over IPv6.
func TestOneOptionIsEnoughToForbidFragmentation(t *testing.T) {
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip(err)
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	tooLong := make([]byte, 65536-40-8+1)
	for _, option := range []int{unix.IPV6_MTU_DISCOVER, unix.IPV6_DONTFRAG} {
		if e := raw.Control(func(fd uintptr) {
			if err = setSendOptions(ipv6Family, fd); err == nil {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, option, 0)
			}
		}); e != nil || err != nil {
			t.Fatal(e, err)
		}
		if _, err := c.WriteTo(tooLong, c.LocalAddr()); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("without option %d: got %v, want EMSGSIZE", option, err)
		}
	}
}
