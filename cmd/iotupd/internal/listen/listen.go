// SPDX-License-Identifier: GPL-2.0-or-later

// Package listen is what the commands have in common that listen on a channel:
// their flags, and how they say where they listen.
package listen

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/receiver/multicast"
)

// Options are the flags that say where to listen.
type Options struct {
	cli.ChannelOptions
	Interfaces []string
	Groups     []string
	Sources    []string
}

// AddFlags declares the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&o.Interfaces, "interface", "i", nil, "`name` of an interface to listen on, repeatable (default every one that is up and can multicast)")
	flags.StringSliceVarP(&o.Groups, "group", "g", nil, "multicast `address` to join, repeatable (default derived from --channel)")
	o.ChannelOptions.AddFlags(flags)
	flags.StringSliceVar(&o.Sources, "source", nil, "`address` of a sender, repeatable: join by source-specific multicast (SSM, IGMPv3 and MLDv2) (default any sender)")
}

// Config returns what the flags ask for, with receive buffers of so many bytes.
func (o *Options) Config(buffer quantity.Size) (cfg multicast.Config, err error) {
	cfg = multicast.Config{Port: o.Port, Interfaces: o.Interfaces, ReceiveBuffer: int(buffer)}
	for _, s := range o.Sources {
		a, err := netip.ParseAddr(s)
		if a = a.Unmap(); err != nil || a.IsMulticast() || a.IsUnspecified() {
			return cfg, cli.UsageError("--source %q is not the IP address of a host", s)
		}
		if a.Zone() != "" {
			return cfg, cli.UsageError("--source %v: name the interface by -i, not in the address", a)
		}
		cfg.Sources = append(cfg.Sources, a)
	}
	cfg.Groups, err = o.GroupAddresses(o.Groups, cfg.Sources)
	if err != nil || slices.ContainsFunc(cfg.Groups, netip.Addr.Is4) {
		return cfg, err
	}
	for _, name := range o.Interfaces {
		if ifi, err := mcast.InterfaceByName(name); err == nil && ifi.Loopback {
			return cfg, cli.WithCode(cli.ExitNetwork, cli.ErrLoopback6)
		}
	}
	return cfg, nil
}

// An Event says in JSON where a command listens.
type Event struct {
	Interfaces    []string `json:"interfaces"`
	Groups        []string `json:"multicast_groups"`
	Sources       []string `json:"sources,omitempty"`
	Channel       string   `json:"channel"`
	Port          uint16   `json:"port"`
	ReceiveBuffer int      `json:"receive_buffer_bytes"`
}

// NewEvent describes a place.
func NewEvent(channel string, p multicast.Place) Event {
	return Event{
		Interfaces: append([]string{}, p.Interfaces...), Groups: cli.Texts(p.Groups), Sources: cli.Texts(p.Sources),
		Channel: channel, Port: p.Port, ReceiveBuffer: p.ReceiveBuffer,
	}
}

// Show prints where the command listens: the first thing that support asks for.
func (o *Options) Show(out *cli.Output, p multicast.Place) {
	e := NewEvent(o.Channel, p)
	out.Event("listening", e)
	what := "channel " + o.Channel
	if len(o.Groups) > 0 {
		what = "groups " + strings.Join(o.Groups, ", ")
	}
	if len(e.Sources) > 0 {
		what += "   sources " + strings.Join(e.Sources, ", ")
	}
	out.Line("listening on %s   %s   port %d", Where(p.Interfaces), what, o.Port)
	out.Decision("receive buffer %v", quantity.Size(e.ReceiveBuffer))
}

// Where names interfaces that are listened on.
func Where(interfaces []string) string {
	if len(interfaces) == 0 {
		return "no interface yet"
	}
	if n := len(interfaces); n > named {
		return fmt.Sprintf("%s, and %d more", strings.Join(interfaces[:named-2], ", "), n-named+2)
	}
	return strings.Join(interfaces, ", ")
}

// named is how many interfaces are named.
const named = 12
