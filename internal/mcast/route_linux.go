// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// defaultRoutes names the interfaces of the default routes, best first, IPv4
// before IPv6: metrics of the two cannot be compared, and where they lead to
// different networks, the one with IPv4 is the more likely to have neighbours.
// An IPv4 route to 224.0.0.0/4, which says where multicast is to go, comes
// before all of them. Of IPv6 every interface has one, so it says nothing.
func defaultRoutes() []string {
	v4, _ := os.ReadFile("/proc/net/route") // without a file there are no routes
	v6, _ := os.ReadFile("/proc/net/ipv6_route")
	return append(parseRoutes(string(v4), routes4), parseRoutes(string(v6), routes6)...)
}

// A routeTable tells where the columns of a routing table in /proc/net are.
type routeTable struct {
	columns            int
	name, flags        int
	metric, metricBase int
	target             []int  // columns that hold only zeros in a default route
	multicast          string // what they hold in a route to all of multicast; empty: not told apart
}

const (
	routeUp     = 0x0001 // RTF_UP
	routeReject = 0x0200 // RTF_REJECT
)

var (
	// Iface Destination Gateway Flags RefCnt Use Metric Mask ...
	routes4 = routeTable{columns: 11, name: 0, flags: 3, metric: 6, metricBase: 10,
		target: []int{1, 7}, multicast: firstByte(0xe0) + firstByte(0xf0)}
	// destination length source length next-hop metric refcnt use flags name
	routes6 = routeTable{columns: 10, name: 9, flags: 8, metric: 5, metricBase: 16, target: []int{0, 1}}
)

// firstByte is an IPv4 address of one byte and three zeros as the kernel prints
// it: as a number in the byte order of the machine.
func firstByte(b byte) string {
	return fmt.Sprintf("%08X", binary.NativeEndian.Uint32([]byte{b, 0, 0, 0}))
}

func parseRoutes(text string, t routeTable) []string {
	type route struct {
		name   string
		class  int // multicast routes are class 0, default routes 1
		metric uint64
	}
	var found []route
	for line := range strings.Lines(text) {
		column := strings.Fields(line)
		if len(column) != t.columns {
			continue
		}
		flags, err1 := strconv.ParseUint(column[t.flags], 16, 32)
		metric, err2 := strconv.ParseUint(column[t.metric], t.metricBase, 32)
		class, ok := t.class(column)
		if err1 == nil && err2 == nil && ok && flags&routeUp != 0 && flags&routeReject == 0 {
			found = append(found, route{column[t.name], class, metric})
		}
	}
	slices.SortStableFunc(found, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.metric, b.metric))
	})
	var list []string
	for _, r := range found {
		list = append(list, r.name)
	}
	return list
}

// class tells whether a line is of a route to all of multicast, 0, or of a
// default route, 1; if it is neither, ok is false.
func (t routeTable) class(column []string) (class int, ok bool) {
	var target string
	for _, c := range t.target {
		target += column[c]
	}
	if target == t.multicast {
		return 0, true
	}
	return 1, strings.Trim(target, "0") == ""
}
