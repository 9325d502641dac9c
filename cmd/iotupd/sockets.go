// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"iotupd/internal/mcast"
	"iotupd/proto"
	"iotupd/receiver"
)

// channelOptions are the flags that say where packets go, the same for all
// commands.
type channelOptions struct {
	channel string
	port    uint16
	only4   bool
	only6   bool
}

func (o *channelOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.channel, "channel", "iotupd", "`name` that group addresses are derived from")
	flags.Uint16VarP(&o.port, "port", "p", proto.DefaultPort, "UDP destination `port`")
	flags.BoolVarP(&o.only4, "ipv4", "4", false, "IPv4 only")
	flags.BoolVarP(&o.only6, "ipv6", "6", false, "IPv6 only")
}

func (o *channelOptions) completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"interface": interfaceNames,
		"group":     cobra.NoFileCompletions,
		"channel":   cobra.NoFileCompletions,
		"port":      cobra.NoFileCompletions,
	}
}

func (o *channelOptions) validate() error {
	switch {
	case o.only4 && o.only6:
		return usageError("-4 and -6 exclude each other")
	case o.port == 0:
		return usageError("--port 0: want 1 to 65535")
	case len(o.channel) > 253:
		return usageError("--channel: the name has %d bytes; at most 253", len(o.channel))
	}
	return nil
}

// errLoopback6 says why -6 and a loopback interface do not go together.
var errLoopback6 = errors.New("IPv6 multicast is never delivered on a loopback interface; use -4, or a --group of IPv4")

// allows reports whether the flags allow the family of an address.
func (o *channelOptions) allows(a netip.Addr) bool {
	return a.Is4() && !o.only6 || !a.Is4() && !o.only4
}

// parseGroup reads a value of --group.
func (o *channelOptions) parseGroup(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, usageError("--group %q is not an IP address; the default is derived from --channel", s)
	case !proto.IsGroup(a):
		return a, usageError("--group %v is not a multicast address; those are ff00::/8 and 224.0.0.0/4", a)
	case a.Zone() != "":
		return a, usageError("--group %v: name the interface by -i, not in the address", a)
	case !o.allows(a):
		return a, usageError("--group %v is not of the family that -4 or -6 asks for", a)
	}
	return a, nil
}

// groupAddresses returns the groups to listen on: those asked for, or those of
// the channel, of the allowed families.
func (o *channelOptions) groupAddresses(asked []string, sources []netip.Addr) (groups []netip.Addr, err error) {
	for _, s := range asked {
		a, err := o.parseGroup(s)
		if err != nil {
			return nil, err
		}
		groups = append(groups, a)
	}
	if len(groups) > 0 {
		return groups, nil
	}
	g := proto.ChannelGroups(o.channel)
	candidates := []netip.Addr{g.IPv6, g.IPv4}
	if len(sources) > 0 {
		candidates = nil
		if slices.ContainsFunc(sources, func(a netip.Addr) bool { return !a.Is4() }) {
			candidates = append(candidates, g.IPv6Source)
		}
		if slices.ContainsFunc(sources, netip.Addr.Is4) {
			candidates = append(candidates, g.IPv4Source)
		}
	}
	for _, a := range candidates {
		if o.allows(a) {
			groups = append(groups, a)
		}
	}
	if len(groups) == 0 {
		return nil, usageError("--source and -4 or -6 leave no group to join")
	}
	return groups, nil
}

// readMessages is the number of kernel messages read at a time. Each may be a
// run of datagrams.
const readMessages = 8

// receiverConns presents the sockets of a listener to the receiver's loop.
func receiverConns(l *mcast.Listener) (conns []receiver.Conn) {
	for _, s := range l.Sockets() {
		conns = append(conns, conn{socket: s, listener: l})
	}
	return conns
}

// A conn is one socket. Closing it closes its listener, which may be done twice.
type conn struct {
	socket   *mcast.Socket
	listener *mcast.Listener
}

func (c conn) NewBatch() receiver.Batch {
	return &batch{Batch: mcast.NewBatch(readMessages), socket: c.socket}
}

func (c conn) Close() error { return c.listener.Close() }

// A batch reads from its socket.
type batch struct {
	*mcast.Batch
	socket *mcast.Socket
}

func (b *batch) Read() error { return withCode(exitNetwork, b.socket.ReadBatch(b.Batch)) }

func (b *batch) Datagram(i int) ([]byte, receiver.Origin) {
	return b.Batch.Datagram(i), receiver.Origin{From: b.From(i), Interface: b.Interface(i)}
}

// A sendConn is a connection whose failures are the network's.
type sendConn struct{ *mcast.Conn }

func (c sendConn) WriteSegments(b []byte, segment int) error {
	return withCode(exitNetwork, withShardSize(c.Conn.WriteSegments(b, segment)))
}
