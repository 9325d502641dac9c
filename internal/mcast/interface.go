// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"iotupd/internal/netif"
)

// An Interface is a network interface as multicast sees it. It is a snapshot.
type Interface struct {
	Name  string
	Index int // the kernel's number, new each time the device appears
	MTU   int // bytes of the largest IP packet

	// IPv6 and IPv4 tell whether it has a usable address of the family. For IPv6 a
	// link-local one is enough. A loopback interface never counts for IPv6,
	// because Linux does not deliver IPv6 multicast there.
	IPv6, IPv4 bool

	Loopback bool
}

// listInterfaces is a variable so that tests can make it fail.
var listInterfaces = netif.List

// has tells whether i has a usable address of family f.
func (i Interface) has(f family) bool {
	if f == ipv6Family {
		return i.IPv6
	}
	return i.IPv4
}

// hostSides begin the names of interfaces that lead to containers, virtual
// machines and tunnels rather than to a network. Inside a container its own end
// has an ordinary name, so it is not concerned.
var hostSides = []string{
	"docker", "virbr", "cni", "podman", "lxcbr", "lxdbr", "cali", "flannel", "veth", "vnet", "tun", "tap", "wg", "tailscale", "zt",
}

// isHostSide reports whether a name is that of such an interface. Docker's networks
// are br- and 12 hexadecimal digits; br-lan is a real one.
func isHostSide(name string) bool {
	if id, ok := strings.CutPrefix(name, "br-"); ok {
		return len(id) == 12 && strings.Trim(id, "0123456789abcdef") == ""
	}
	return slices.ContainsFunc(hostSides, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// suitable is the rule for interfaces that are used without being named: up, able
// to multicast, not one end of a tunnel, and not the host's side of a container
// or virtual machine. Loopback is left to [Suitable].
func suitable(ifi net.Interface) bool {
	const want, refuse = net.FlagUp | net.FlagMulticast, net.FlagPointToPoint | net.FlagLoopback
	return ifi.Flags&want == want && ifi.Flags&refuse == 0 && !isHostSide(ifi.Name)
}

// Suitable lists the interfaces to use where none is named: those that are up
// and able to multicast, have a usable address, and are neither point-to-point
// links nor, by their name, the host's side of containers, virtual machines and
// tunnels. If there is none, it lists the loopback interface.
func Suitable() ([]Interface, error) {
	all, err := listInterfaces()
	if err != nil {
		return nil, err
	}
	var found, loopback []Interface
	for _, ifi := range all {
		switch {
		case suitable(ifi.Interface):
			if d := describe(ifi); d.IPv6 || d.IPv4 {
				found = append(found, d)
			}
		case ifi.Flags&(net.FlagUp|net.FlagLoopback) == net.FlagUp|net.FlagLoopback:
			if d := describe(ifi); d.IPv4 {
				loopback = append(loopback, d)
			}
		}
	}
	if found == nil {
		return loopback, nil
	}
	return found, nil
}

// InterfaceByName returns the interface of that name, suitable or not, as long
// as it is up and able to multicast. The error lists those that could be used.
func InterfaceByName(name string) (Interface, error) {
	d, err := usable(name)
	if errors.Is(err, netif.ErrNotListed) {
		return Interface{}, err
	}
	if err != nil {
		return Interface{}, fmt.Errorf("%w; up and able to multicast here: %s", err, suitableNames())
	}
	return d, nil
}

// DefaultInterface returns the interface to send on where none is named: that of
// the default route if it is suitable, else the only suitable one. On Linux a
// route to 224.0.0.0/4 counts before the default one. A machine with nothing but
// a loopback interface sends on that. Otherwise the error lists the choices.
func DefaultInterface() (Interface, error) {
	candidates, err := Suitable()
	if err != nil {
		return Interface{}, err
	}
	return pickDefault(candidates, defaultRoutes())
}

// pickDefault picks from the candidates, given the interfaces of the default
// routes, best first.
func pickDefault(candidates []Interface, routes []string) (Interface, error) {
	for _, name := range routes {
		for _, c := range candidates {
			if c.Name == name {
				return c, nil
			}
		}
	}
	switch len(candidates) {
	case 0:
		return Interface{}, errors.New("no network interface is up, able to multicast, and has an address")
	case 1:
		return candidates[0], nil
	}
	return Interface{}, fmt.Errorf("no default route tells which interface to use; choose one with -i: %s", names(candidates))
}

// errNoSuchName is wrapped by the error of usable for a name that no interface has.
var errNoSuchName = errors.New("not found")

// usable returns the interface of that name, or why it cannot take part.
func usable(name string) (Interface, error) {
	all, err := listInterfaces()
	if err != nil {
		return Interface{}, err
	}
	for _, ifi := range all {
		if ifi.Name != name {
			continue
		}
		d := describe(ifi)
		switch {
		case ifi.Flags&net.FlagUp == 0:
			return d, fmt.Errorf("interface %q is down", name)
		case ifi.Flags&(net.FlagMulticast|net.FlagLoopback) == 0:
			return d, fmt.Errorf("interface %q cannot multicast", name)
		case !d.IPv6 && !d.IPv4:
			return d, fmt.Errorf("interface %q has no usable address", name)
		}
		return d, nil
	}
	return Interface{}, fmt.Errorf("interface %q %w", name, errNoSuchName)
}

// describe looks up the addresses of ifi. An interface that has just vanished
// has none.
func describe(ifi netif.Interface) Interface {
	d := Interface{Name: ifi.Name, Index: ifi.Index, MTU: ifi.MTU, Loopback: ifi.Flags&net.FlagLoopback != 0}
	addrs, _ := ifi.Addresses()
	for _, a := range addrs {
		switch familyOf(a) {
		case ipv4Family:
			d.IPv4 = true
		case ipv6Family:
			d.IPv6 = !d.Loopback
		}
	}
	return d
}

func names(list []Interface) string {
	if len(list) == 0 {
		return "none"
	}
	var s []string
	for _, i := range list {
		s = append(s, i.Name)
	}
	return strings.Join(s, ", ")
}

func suitableNames() string {
	list, _ := Suitable()
	return names(list)
}
