// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	group4 = netip.MustParseAddr("239.255.163.64")
	group6 = netip.MustParseAddr("ff15:77a:ccf7:13b3:e59b:300b:e215:b3a0")
)

// A host is a copy of the files under testdata/host, which were taken on a
// Linux 6.18 host in a network namespace with the interfaces lo, eth0, eth0.10
// and abcdefghij12345, where group4 and group6 are joined on eth0 and one
// socket of each family is bound to port 18868.
type host struct {
	t testing.TB
	fstest.MapFS
}

func newHost(t testing.TB) host {
	t.Helper()
	h := host{t, fstest.MapFS{}}
	root := os.DirFS("testdata/host")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := fs.ReadFile(root, name)
		h.MapFS[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // igmp prints words of the host's byte order
		swap := strings.NewReplacer("40A3FFEF", "EFFFA340", "010000E0", "E0000001")
		h.edit("igmp", swap.Replace)
	}
	return h
}

func (h host) take() Snapshot {
	h.t.Helper()
	s, err := Take(h)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h host) set(name, text string) { h.MapFS[name] = &fstest.MapFile{Data: []byte(text)} }

// edit replaces the lines of a file under proc/self/net for which change
// returns something else. There must be one.
func (h host) edit(file string, change func(line string) string) {
	h.t.Helper()
	name := "proc/self/net/" + file
	was := string(h.MapFS[name].Data)
	var is strings.Builder
	for line := range strings.Lines(was) {
		is.WriteString(change(line))
	}
	if is.String() == was {
		h.t.Fatalf("nothing to change in %s", file)
	}
	h.set(name, is.String())
}

// addField adds n to the i-th field of the line of a file that begins with the
// given fields.
func (h host) addField(file string, i int, n uint64, begin ...string) {
	h.t.Helper()
	h.edit(file, func(line string) string {
		f := strings.Fields(line)
		if len(f) <= i || !slices.Equal(f[:len(begin)], begin) {
			return line
		}
		f[i] = fmt.Sprint(number(f[i]) + n)
		return strings.Join(f, " ") + "\n"
	})
}

// add4 adds n to a counter of IPv4 named as in Udp.InDatagrams.
func (h host) add4(file, counter string, n uint64) {
	h.t.Helper()
	protocol, name, _ := strings.Cut(counter, ".")
	column, names := 0, true
	h.edit(file, func(line string) string {
		f := strings.Fields(line)
		if f[0] != protocol+":" {
			return line
		}
		if names {
			column, names = slices.Index(f, name), false
			return line
		}
		f[column] = fmt.Sprint(number(f[column]) + n)
		return strings.Join(f, " ") + "\n"
	})
}

// add6 adds n to a counter of IPv6.
func (h host) add6(counter string, n uint64) { h.t.Helper(); h.addField("snmp6", 1, n, counter) }

// The following count n packets at one step of their way.

func (h host) receive4(n uint64) { h.t.Helper(); h.eth0(n); h.add4("snmp", "Ip.InReceives", n) }
func (h host) receive6(n uint64) { h.t.Helper(); h.eth0(n); h.add6("Ip6InReceives", n) }

// eth0 counts packets that come in by eth0, none of them multicast: some drivers do not
// count that.
func (h host) eth0(n uint64) { h.t.Helper(); h.addField("dev", 2, n, "eth0:") }

func (h host) multicast4(n uint64) { h.t.Helper(); h.add4("netstat", "IpExt.InMcastPkts", n) }
func (h host) multicast6(n uint64) { h.t.Helper(); h.add6("Ip6InMcastPkts", n) }

func (h host) deliver4(n uint64) { h.t.Helper(); h.add4("snmp", "Ip.InDelivers", n) }
func (h host) deliver6(n uint64) { h.t.Helper(); h.add6("Ip6InDelivers", n) }

// device counts packets at an interface, all of them multicast.
func (h host) device(name string, n uint64) {
	h.t.Helper()
	h.addField("dev", 2, n, name+":")
	h.addField("dev", 8, n, name+":")
}
