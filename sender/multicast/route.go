// SPDX-License-Identifier: GPL-2.0-or-later

// Package multicast is the network of a sender: it chooses interfaces and
// multicast group, follows what becomes of them, and opens the sockets that
// [sender.Run] writes to. With it come the addresses to announce, and the news
// whether anybody listens.
package multicast

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"iotupd/internal/mcast"
	"iotupd/internal/netif"
	"iotupd/proto"
)

// A Family is a set of IP families.
type Family int

// Families.
const (
	AnyFamily Family = iota // IPv6 if the interface has it, else IPv4
	IPv4Only
	IPv6Only
)

// Config says where to send. The zero value is not usable: it names no channel.
type Config struct {
	// Interfaces are the names of the interfaces to send on. Each gets the same
	// packets. If empty, the only interface that is up, has a link and can
	// multicast is used; the loopback interface only where there is no other.
	Interfaces []string

	// Channel is the name that the multicast group is derived from (spec.md 8),
	// see [proto.DefaultChannel]. Group overrides it. SourceSpecific says which of the
	// channel's groups it is.
	Channel        string
	Group          netip.Addr
	SourceSpecific bool

	// Family bounds the choice among the channel's multicast groups.
	Family Family

	// Port is the UDP destination port. If zero, [proto.DefaultPort].
	Port uint16

	// HopLimit is the number of networks that packets may cross, at most 255. If
	// zero, 1: they stay on the first.
	HopLimit int

	// DSCP is the class of service, 0 to 63.
	DSCP int
}

// An Error says that the network could not be set up, or failed.
type Error struct{ Err error }

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// networkError makes an [*Error] of err unless it is nil.
func networkError(err error) error {
	if err == nil {
		return nil
	}
	return &Error{err}
}

// ErrLoopbackIPv6 means that a loopback interface was to be used for IPv6.
var ErrLoopbackIPv6 = errors.New("IPv6 multicast is never delivered on a loopback interface")

// A ChoiceError says that there are several interfaces to send on, and none was
// named.
type ChoiceError struct{ Interfaces []string }

// Error implements error.
func (e *ChoiceError) Error() string {
	return "several interfaces could be sent on: " + strings.Join(e.Interfaces, ", ") + "; choose by -i, which may be given several times"
}

// A NotReadyError says why nothing can be sent on an interface now, which may change.
type NotReadyError struct {
	Interface string // empty: any will do
	Why       string
}

// Error implements error.
func (e *NotReadyError) Error() string { return e.Why }

// A Route is where packets go on an interface: what a [Config] comes to on this
// host. It is a snapshot: see [Follow].
type Route struct {
	Interface string     // name
	MTU       int        // of the interface, in bytes; 0: not known
	Speed     int64      // of the interface, in bit/s of frames; 0: not known
	Group     netip.Addr // of layer 0; those of further layers follow it
	Port      uint16
	Source    netip.Addr // the address that packets come from

	alone bool // this is the loopback interface, since there is no other
	send  mcast.SendConfig
}

// FindRoutes chooses interfaces and multicast group, once. When the error is not nil,
// the routes say as much as is known. Errors are of type [*Error]; those of which
// [Follow] waits for the end wrap a [*NotReadyError].
func FindRoutes(cfg Config) (routes []Route, err error) {
	all, failed := netif.List()
	for _, name := range cfg.names() {
		r, err := Route{}, failed
		if failed == nil {
			s := cfg.place(all, name, spot{}, time.Time{})
			r, err = s.Route, s.err
		}
		routes = append(routes, r)
		failed = cmp.Or(failed, err)
	}
	return routes, networkError(failed)
}

// names returns the names of the wanted interfaces, each once; an empty name
// means any.
func (c Config) names() (names []string) {
	for _, name := range c.Interfaces {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if names == nil {
		return []string{""}
	}
	return names
}

// Overhead is what IP and UDP add to every datagram, in bytes. Where packets may go
// by another interface later, it is the most.
func (r Route) Overhead() int {
	if r.alone {
		return proto.IPv6Overhead
	}
	return proto.Overhead(r.Group)
}

// Fits returns an error if datagrams of so many bytes are too large for the
// interface, so that this shows before a file is encoded.
func (r Route) Fits(datagram int) error {
	limit := r.MTU - r.Overhead()
	if r.MTU <= 0 || datagram <= limit { // unknown, or it fits
		return nil
	}
	return explain(&mcast.TooBigError{Interface: r.Interface, MTU: r.MTU, Datagram: datagram, Max: limit})
}

// explain makes an [*Error] of err, unless it is nil, and adds to an error that
// datagrams are too big which shards would fit.
func explain(err error) error {
	var tooBig *mcast.TooBigError
	if errors.As(err, &tooBig) {
		err = fmt.Errorf("%w: use shards of at most %d bytes, or raise the MTU", err, proto.LargestShard(tooBig.Max))
	}
	return networkError(err)
}

// Addresses returns all addresses of the interface. Errors are of type [*Error].
func (r Route) Addresses() (addrs []netip.Addr, err error) {
	ifi, err := netif.ByName(r.Interface)
	return ifi.Addresses(), networkError(err)
}
