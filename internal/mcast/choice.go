// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"iotupd/internal/netif"
)

// A Fitness says whether an interface is to be used that nobody has named.
type Fitness int

const (
	Fit   Fitness = iota // it is up, has a link, and can multicast, with or without an address
	Later                // it may become fit: it is down, or has no link
	Unfit                // it is for something else, or cannot multicast
)

// A Candidate is an interface, and what becomes of it where none is named.
type Candidate struct {
	Interface
	Fitness Fitness
	Why     string // it is not fit, after its name: "is down"
}

// Candidates is the rule which interfaces are used where none is named, for all of a
// host. An address does not count: it may be there in a moment. The loopback
// interface is fit only if there is no other one.
func Candidates(all []netif.Interface) (list []Candidate) {
	alone := !slices.ContainsFunc(all, func(i netif.Interface) bool {
		return i.Flags&net.FlagLoopback == 0 && !isIdleTunnel(i)
	})
	for _, i := range all {
		c := Candidate{Interface: describe(i)}
		c.Fitness, c.Why = fitnessOf(i, alone)
		list = append(list, c)
	}
	return list
}

// fitnessOf returns what an interface can be used for, and why not for more;
// alone means that all other interfaces are loopback interfaces.
func fitnessOf(i netif.Interface, alone bool) (Fitness, string) {
	switch partOf, why := partOf(i); {
	case i.Flags&net.FlagLoopback != 0 && !alone:
		return Unfit, "reaches this host alone"
	case i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0:
		return Fit, ""
	case partOf:
		return Unfit, why
	case isHostSide(i.Name):
		return Unfit, "looks by its name like a tunnel or a container bridge"
	case i.Flags&net.FlagPointToPoint != 0:
		return Unfit, "is a point-to-point link"
	case i.Flags&(net.FlagMulticast|net.FlagLoopback) == 0:
		return Unfit, "cannot multicast"
	case i.Flags&net.FlagUp == 0:
		return Later, "is down"
	case i.Flags&net.FlagRunning == 0:
		return Later, "has no link"
	}
	return Fit, ""
}

// partOf reports whether an interface is a part of another one, which is used in its
// place, and says so. An interface in a VRF is one of its own, of another network.
func partOf(i netif.Interface) (part bool, why string) {
	switch {
	case i.Master == "":
		return false, ""
	case i.MasterKind == "vrf":
		return true, "is in the VRF " + i.Master
	case i.MasterKind == "bridge":
		return true, fmt.Sprintf("is a port of the bridge %s", i.Master)
	case i.MasterKind != "":
		return true, fmt.Sprintf("is a part of the %s %s", i.MasterKind, i.Master)
	}
	return true, "is a part of " + i.Master
}

// hostSides begin the names of interfaces that lead to containers, virtual
// machines and tunnels rather than to a network, or, on Apple's systems, to devices
// nearby. Inside a container its own end has an ordinary name, so it is not concerned.
var hostSides = []string{
	"docker", "virbr", "cni", "podman", "lxcbr", "lxdbr", "cali", "flannel", "veth", "vnet", "tun", "tap", "wg", "tailscale", "zt",
	"awdl", "llw", "anpi",
}

// isHostSide reports whether a name is that of such an interface. Docker's networks
// are br- and 12 hexadecimal digits; br-lan is a real one.
func isHostSide(name string) bool {
	if id, ok := strings.CutPrefix(name, "br-"); ok {
		return len(id) == 12 && strings.Trim(id, "0123456789abcdef") == ""
	}
	return slices.ContainsFunc(hostSides, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// idleTunnels are interfaces that the kernel makes by itself with some drivers, in
// every network namespace.
var idleTunnels = []string{"tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"}

// isIdleTunnel reports whether it is such a tunnel, and unused.
func isIdleTunnel(i netif.Interface) bool {
	return i.Flags&net.FlagUp == 0 && slices.Contains(idleTunnels, i.Name)
}

// Only returns those of some fitness.
func Only(list []Candidate, fitness Fitness) (some []Candidate) {
	for _, c := range list {
		if c.Fitness == fitness {
			some = append(some, c)
		}
	}
	return some
}

// Explain says of each candidate that is not fit why, the loopback interface last.
func Explain(list []Candidate) string {
	var why, last []string
	for _, c := range list {
		switch text := c.Name + " " + c.Why; {
		case c.Fitness == Fit:
		case c.Loopback:
			last = append(last, text)
		default:
			why = append(why, text)
		}
	}
	return strings.Join(shorten(append(why, last...)), "; ")
}

// listed is how many names a message has at most.
const listed = 12

// shorten leaves out what would make a message too long.
func shorten(list []string) []string {
	if len(list) <= listed {
		return list
	}
	return append(slices.Clone(list[:listed-2]), fmt.Sprintf("and %d more", len(list)-listed+2))
}

// names lists the names of interfaces.
func names(list []Candidate) string {
	if len(list) == 0 {
		return "none"
	}
	var s []string
	for _, i := range list {
		s = append(s, i.Name)
	}
	return strings.Join(shorten(s), ", ")
}

// Find returns the interface of that name; if there is none, the one with an index
// that had it before, and has been renamed. Zero stands for no index.
func Find(all []netif.Interface, name string, index int) (i netif.Interface, found bool) {
	for _, i := range all {
		if i.Name == name {
			return i, true
		}
	}
	for _, i := range all {
		if index != 0 && i.Index == index {
			return i, true
		}
	}
	return i, false
}

// Named returns the interface that Find finds, and why it cannot be used, though it
// is named, if so. The error lists those that could be.
func Named(all []netif.Interface, name string, index int) (Interface, error) {
	i, found := Find(all, name, index)
	d := describe(i)
	switch {
	case !found:
		return Interface{}, fmt.Errorf("interface %q %w; up and able to multicast here: %s", name, errNoSuchName, names(Only(Candidates(all), Fit)))
	case i.Flags&net.FlagUp == 0:
		return d, fmt.Errorf("interface %q is down", i.Name)
	case i.Flags&(net.FlagMulticast|net.FlagLoopback) == 0:
		return d, fmt.Errorf("interface %q cannot multicast", i.Name)
	}
	return d, nil
}
