// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/discover"
	"iotupd/internal/mcast"
)

// arguments are none if the records of DNS are asked for, else the file.
func (o *sendOptions) arguments(cmd *cobra.Command, args []string) error {
	if o.printDNS != "" {
		if cmd.Flags().Changed("json") {
			return cli.UsageError("--print-dns prints records of DNS, which are not JSON: leave out --json")
		}
		return cli.NoArguments(cmd, args)
	}
	return cli.OneArgument("FILE")(cmd, args)
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
	way, err := o.way()
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // there is a name for one without
	s := discover.Sender{Name: name, Host: host, Port: way.Port, Group: way.Group, Layers: o.layers}
	if s.Addrs, err = addresses(way.Interface.Name); err != nil {
		return cli.WithCode(cli.ExitNetwork, err)
	}
	if o.signed != nil && len(o.signed.Signatures) > 0 {
		s.KeyID = o.signed.Signatures[0].KeyID.String()
	}
	zone, err := discover.Zone(s)
	if err != nil {
		return cli.WithCode(cli.ExitNetwork, fmt.Errorf("%s: %w", way.Interface.Name, err))
	}
	_, err = io.WriteString(w, zone)
	return cli.WithCode(cli.ExitLocalIO, err)
}

// sourcesOf returns the addresses that packets may come from; which one it is,
// the system decides packet by packet. It takes a link-local one where there is
// no other.
func sourcesOf(way mcast.SendConfig) []netip.Addr {
	all, _ := addresses(way.Interface.Name) // none to tell if they cannot be listed
	all = slices.DeleteFunc(all, func(a netip.Addr) bool { return a.Is4() != way.Group.Is4() })
	if wide := slices.DeleteFunc(slices.Clone(all), netip.Addr.IsLinkLocalUnicast); len(wide) > 0 {
		return wide
	}
	return all
}

// addresses returns those of an interface.
func addresses(name string) (addrs []netip.Addr, err error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	list, err := ifi.Addrs()
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, prefix.Addr().Unmap())
		}
	}
	return addrs, err
}
