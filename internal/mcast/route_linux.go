// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
)

// defaultRoutes names the interfaces of the default routes, best first, IPv4
// before IPv6: metrics of the two cannot be compared, and where they lead to
// different networks, the one with IPv4 is the more likely to have neighbours.
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
	zero               []int // columns that hold only zeros in a default route
}

const (
	routeUp     = 0x0001 // RTF_UP
	routeReject = 0x0200 // RTF_REJECT
)

var (
	// Iface Destination Gateway Flags RefCnt Use Metric Mask ...
	routes4 = routeTable{columns: 11, name: 0, flags: 3, metric: 6, metricBase: 10, zero: []int{1, 7}}
	// destination length source length next-hop metric refcnt use flags name
	routes6 = routeTable{columns: 10, name: 9, flags: 8, metric: 5, metricBase: 16, zero: []int{0, 1}}
)

func parseRoutes(text string, t routeTable) []string {
	type route struct {
		name   string
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
		isDefault := !slices.ContainsFunc(t.zero, func(c int) bool { return strings.Trim(column[c], "0") != "" })
		if err1 == nil && err2 == nil && isDefault && flags&routeUp != 0 && flags&routeReject == 0 {
			found = append(found, route{column[t.name], metric})
		}
	}
	slices.SortStableFunc(found, func(a, b route) int { return cmp.Compare(a.metric, b.metric) })
	var list []string
	for _, r := range found {
		list = append(list, r.name)
	}
	return list
}
