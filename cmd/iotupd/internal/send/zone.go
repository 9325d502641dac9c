// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/discover"
	"iotupd/sender/multicast"
)

// arguments are none if the records of DNS are asked for, else the files.
func (o *sendOptions) arguments(cmd *cobra.Command, args []string) error {
	if o.printDNS != "" {
		if cmd.Flags().Changed("json") {
			return cli.UsageError("--print-dns prints DNS records, which are not JSON: leave out --json")
		}
		return cli.NoArguments(cmd, args)
	}
	if len(args) == 0 && o.list.List == "" {
		return cli.UsageError("want a FILE to send; see %s --help", cmd.CommandPath())
	}
	return nil
}

// printZone prints the records by which receivers find, under a DNS name, what
// this command would send with the same flags.
func (o *sendOptions) printZone(w io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	name, err := discover.ParseName(o.printDNS)
	if err != nil {
		return cli.UsageError("--print-dns: %w", err)
	}
	network, err := o.network()
	if err != nil {
		return err
	}
	routes, err := multicast.FindRoutes(network)
	if err != nil {
		return o.explain(err)
	}
	route := routes[0]
	host, _ := os.Hostname() // there is a name for one without
	s := discover.Sender{Name: name, Host: host, Port: route.Port, Group: route.Group, Layers: o.cfg.Carousel.Layers}
	for _, r := range routes {
		if r.Group != route.Group {
			return cli.WithCode(cli.ExitNetwork, fmt.Errorf("%s would send to %v and %s to %v: choose by -4 or -6, or -g", route.Interface, route.Group, r.Interface, r.Group))
		}
		addrs, err := r.Addresses()
		if err != nil {
			return err
		}
		s.Addrs = append(s.Addrs, addrs...)
	}
	if m := o.cfg.Manifest; m != nil && len(m.Signatures) > 0 {
		s.KeyID = m.Signatures[0].KeyID.String()
	}
	zone, err := discover.Zone(s)
	if err != nil {
		return cli.WithCode(cli.ExitNetwork, fmt.Errorf("%s: %w; %s", route.Interface, err, publishInstead(s)))
	}
	_, err = io.WriteString(w, zone)
	return cli.WithCode(cli.ExitLocalIO, err)
}

// publishInstead says what to do if no address of a sender means anything to other hosts.
func publishInstead(s discover.Sender) string {
	has4 := slices.ContainsFunc(s.Addrs, func(a netip.Addr) bool { return a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() })
	if s.Group.Is6() && has4 {
		return "send over IPv4, with -4 here and when sending, or give the interface such an IPv6 address"
	}
	return "give the interface such an address, or name another one by -i"
}
