// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/proto"
	"net/netip"

	"github.com/spf13/pflag"
)

// ChannelOptions are the flags that say where packets go, the same for all
// commands.
type ChannelOptions struct {
	Channel string
	Port    uint16
	Only4   bool
	Only6   bool
}

// ErrLoopback6 says why -6 and a loopback interface do not go together.
var ErrLoopback6 = errors.New("IPv6 multicast is never delivered on a loopback interface; use -4, or a --group of IPv4")

// AddFlags declares the flags.
func (o *ChannelOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Channel, "channel", proto.DefaultChannel, "`name` that the multicast addresses are derived from; the same for sender and receivers")
	flags.Uint16VarP(&o.Port, "port", "p", proto.DefaultPort, "UDP destination `port`")
	flags.BoolVarP(&o.Only4, "ipv4", "4", false, "use IPv4 only")
	flags.BoolVarP(&o.Only6, "ipv6", "6", false, "use IPv6 only (default receivers use both, send prefers IPv6)")
}

// Completions says how the shell completes their values.
func (o *ChannelOptions) Completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"interface": InterfaceNames,
		"group":     cobra.NoFileCompletions,
		"channel":   cobra.NoFileCompletions,
		"port":      cobra.NoFileCompletions,
	}
}

// Validate reports values that make no sense.
func (o *ChannelOptions) Validate() error {
	switch {
	case o.Only4 && o.Only6:
		return UsageError("-4 and -6 exclude each other")
	case o.Port == 0:
		return UsageError("--port 0: want 1 to 65535")
	case len(o.Channel) > 253:
		return UsageError("--channel: the name has %d bytes; at most 253", len(o.Channel))
	}
	return nil
}

// Allows reports whether the flags allow the family of an address.
func (o *ChannelOptions) Allows(a netip.Addr) bool {
	return a.Is4() && !o.Only6 || !a.Is4() && !o.Only4
}

// ParseGroup reads a value of --group.
func (o *ChannelOptions) ParseGroup(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, UsageError("--group %q is not an IP address; the default is derived from --channel", s)
	case !proto.IsMulticastGroup(a):
		return a, UsageError("--group %v is not a multicast address; those are ff00::/8 and 224.0.0.0/4", a)
	case a.Zone() != "":
		return a, UsageError("--group %v: name the interface by -i, not in the address", a)
	case !o.Allows(a):
		return a, UsageError("--group %v is not of the family that -4 or -6 asks for", a)
	}
	return a, nil
}

// GroupAddresses returns the multicast groups to listen on: the given ones, or
// else the groups of the channel, of the allowed families.
func (o *ChannelOptions) GroupAddresses(asked []string, sources []netip.Addr) (groups []netip.Addr, err error) {
	for _, s := range asked {
		a, err := o.ParseGroup(s)
		if err != nil {
			return nil, err
		}
		groups = append(groups, a)
	}
	if len(groups) > 0 {
		return groups, nil
	}
	for _, a := range proto.ChannelAddresses(o.Channel).ForSources(sources) {
		if o.Allows(a) {
			groups = append(groups, a)
		}
	}
	if len(groups) == 0 {
		return nil, UsageError("--source and -4 or -6 leave no group to join")
	}
	return groups, nil
}
