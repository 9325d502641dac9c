// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// The parsers take the text of files under /proc/net. What does not look as
// expected is skipped: a diagnosis with a gap is better than none.

// parseDev reads dev, which has the counts of /sys/class/net in one file:
//
//	face |bytes    packets errs drop fifo frame compressed multicast|bytes ...
//	eth0:   23000      46    0    1    0     0          0         9     824 ...
func parseDev(text string) map[string]device {
	devices := map[string]device{}
	for line := range strings.Lines(text) {
		name, numbers, ok := strings.Cut(line, ":")
		f := strings.Fields(numbers)
		if !ok || len(f) < 8 {
			continue
		}
		devices[strings.TrimSpace(name)] = device{packets: number(f[1]), refused: number(f[2]) + number(f[3]), multicast: number(f[7])}
	}
	return devices
}

// addIGMP reads igmp, where the multicast groups of an interface follow it,
// indented:
//
//	2	eth0      :     2      V3
//					40A3FFEF     1 0:00000000		0
func addIGMP(members map[netip.Addr][]string, text string) {
	device := ""
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case line[0] != '\t':
			device = strings.TrimSuffix(f[1], ":") // a long name leaves no space before it
		default:
			word, err := strconv.ParseUint(f[0], 16, 32)
			if err != nil {
				continue
			}
			var a [4]byte
			binary.NativeEndian.PutUint32(a[:], uint32(word))
			group := netip.AddrFrom4(a)
			members[group] = append(members[group], device)
		}
	}
}

// addIGMP6 reads igmp6:
//
//	2    eth0            ff15077accf713b3e59b300be215b3a0     1 00000004 0
func addIGMP6(members map[netip.Addr][]string, text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		a, err := hex.DecodeString(f[2])
		if group, ok := netip.AddrFromSlice(a); err == nil && ok {
			members[group] = append(members[group], f[1])
		}
	}
}

// addDrops reads udp or udp6, whose last column are the drops of a socket:
//
//	3569: 00000000:49B4 00000000:0000 07 ... 2 0000000084094d29 0
func addDrops(drops map[uint16]uint64, text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 13 {
			continue
		}
		_, local, _ := strings.Cut(f[1], ":")
		if port, err := strconv.ParseUint(local, 16, 16); err == nil {
			drops[uint16(port)] += number(f[len(f)-1])
		}
	}
}

// parsePairs reads snmp and netstat, in which a line of names precedes each
// line of values. The keys of the result are Protocol.Name.
//
//	Udp: InDatagrams NoPorts InErrors
//	Udp: 47 0 0
func parsePairs(text string) map[string]uint64 {
	values := map[string]uint64{}
	names := []string{""}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] != names[0]:
			names = f
		default:
			for i := 1; i < min(len(f), len(names)); i++ {
				values[strings.TrimSuffix(f[0], ":")+"."+names[i]] = number(f[i])
			}
			names = []string{""}
		}
	}
	return values
}

// parseColumns reads snmp6, a name and a value a line.
func parseColumns(text string) map[string]uint64 {
	values := map[string]uint64{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 {
			values[f[0]] = number(f[1])
		}
	}
	return values
}

// parseDefaultRoute reads route and reports whether it has a line for all
// destinations, that is with destination and mask zero.
//
//	Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask ...
//	eth0	00000000	0100090A	0003	0	0	0	00000000 ...
func parseDefaultRoute(text string) bool {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) >= 8 && f[1] == "00000000" && f[7] == "00000000" {
			return true
		}
	}
	return false
}

// number returns the value of a decimal number, and 0 for all else.
func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func firstWord(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), " ")
	return s
}
