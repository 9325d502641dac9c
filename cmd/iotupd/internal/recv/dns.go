// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/discover"
	"iotupd/receiver/agent"
)

// dnsPrefix begins an argument that names a channel whose senders DNS names.
const dnsPrefix = "dns:"

// dnsOptions say how senders are found.
type dnsOptions struct {
	dnsName   string // of the channel; empty: they are not looked for
	resolvers []string
	failover  time.Duration
}

func (o *dnsOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.resolvers, "resolver", nil, "`address` of a name server for dns:NAME, repeatable (default from /etc/resolv.conf)")
	flags.DurationVar(&o.failover, "failover", discover.DefaultFailover, "with dns:NAME, switch to the backup senders after this `time` of silence")
}

func atMostOneChannel(cmd *cobra.Command, args []string) error {
	for _, a := range args {
		if !strings.HasPrefix(a, dnsPrefix) {
			return cli.UsageError("unexpected argument %q; see %s --help", a, cmd.CommandPath())
		}
	}
	if len(args) > 1 {
		return cli.UsageError("want one channel, got %d: %s", len(args), strings.Join(args, ", "))
	}
	return nil
}

// find notes the channel that an argument names. Flags on the command line that
// contradict it, or that configure the search without an argument, are errors;
// environment variables are overridden. A channel on the command line is the one
// that the manifest must name, if it differs from the DNS name.
func (o *options) find(flags *pflag.FlagSet, args []string) (err error) {
	given := func(name string) bool { return cli.OnCommandLine(flags.Lookup(name)) }
	if len(args) == 0 {
		for _, name := range []string{"resolver", "failover"} {
			if given(name) {
				return cli.UsageError("--%s requires a dns:NAME argument, for example recv dns:fw.example.net", name)
			}
		}
		return nil
	}
	if o.dnsName, err = discover.ParseName(strings.TrimPrefix(args[0], dnsPrefix)); err != nil {
		return cli.UsageError("%w", err)
	}
	for _, name := range []string{"port", "group", "source"} {
		if given(name) {
			return cli.UsageError("--%s: DNS supplies it for %s; leave the flag out", name, args[0])
		}
	}
	o.Groups, o.Sources = nil, nil
	if !given("channel") {
		o.Channel = o.dnsName
	}
	return nil
}

func (o *dnsOptions) validate() error {
	if o.failover <= 0 {
		return cli.UsageError("--failover %v: want a time, such as 30s", o.failover)
	}
	_, err := o.servers()
	return err
}

// servers returns the name servers to ask; empty: the name servers of the system.
func (o *dnsOptions) servers() (servers []netip.AddrPort, err error) {
	for _, s := range o.resolvers {
		server, err := discover.ParseServer(s)
		if err != nil {
			return nil, cli.UsageError("--resolver %w", err)
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// lookup returns how to look for senders; nil: not at all.
func (o *options) lookup() (*agent.Lookup, error) {
	if o.dnsName == "" {
		return nil, nil
	}
	servers, err := o.servers()
	return &agent.Lookup{Name: o.dnsName, Servers: servers, Failover: o.failover, Allow: o.Allows}, err
}
