// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/layers"
)

// layerOptions say how many layers to receive.
type layerOptions struct {
	layers  string
	maxRate quantity.Rate // zero: no limit
}

func (o *layerOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.layers, "layers", "auto", "most layers to receive of a sender that has several: auto, as many as arrive without much loss, or a `number`")
	flags.Var(&o.maxRate, "max-rate", "join no layer that makes it more than this bit `rate`; the lowest one is received in any case (default no limit)")
}

func (o *layerOptions) validate() error {
	_, err := o.config()
	return err
}

func (o *layerOptions) config() (cfg layers.Config, err error) {
	if o.layers != "auto" {
		if cfg.Max, err = strconv.Atoi(o.layers); err != nil || !proto.ValidLayers(cfg.Max) {
			return cfg, cli.UsageError("--layers %q: want auto, or 1 to %d", o.layers, proto.MaxLayers)
		}
	}
	cfg.MaxRate = int64(o.maxRate)
	return cfg, nil
}

// A subscription keeps a receiver on the layers that its path carries.
type subscription struct {
	policy   *layers.Policy
	level    int // that is joined
	hearing  hearing
	onChange func(now time.Time, level int)
}

func newSubscription(o layerOptions, h hearing, onChange func(now time.Time, level int)) *subscription {
	cfg, _ := o.config() // validated
	return &subscription{policy: layers.New(cfg), hearing: h, onChange: onChange}
}

// hear takes what receiver.Config.Heard does. Too much is left at once: others
// suffer from it, too.
func (s *subscription) hear(now time.Time, from receiver.Origin, p proto.Path) {
	s.policy.Heard(now, from, p)
	s.follow(now)
}

// follow joins and leaves as the policy says.
func (s *subscription) follow(now time.Time) {
	if at := s.policy.Wake(); !at.IsZero() && !now.Before(at) {
		s.policy.Tick(now)
	}
	if level := s.policy.Level(); level != s.level {
		// What fails is in the list of memberships, and tried again with the next
		// look at the interfaces.
		s.hearing.setLevel(level)
		s.level = level
		s.onChange(now, level)
	}
}

// upTo lists the groups of layers 0 to level above those of layer 0: none at
// level -1.
func upTo(level int, bases []netip.Addr) (groups []netip.Addr) {
	for _, base := range bases {
		for l := range level + 1 {
			if g := proto.LayerGroup(base, l); proto.IsGroup(g) {
				groups = append(groups, g)
			}
		}
	}
	return groups
}

// checkRate warns once of a sender whose lowest layer is over --max-rate: it is
// received all the same.
func (v *recvView) checkRate(p proto.Path) {
	limit := int64(v.opts.maxRate)
	if rate := p.Rate.BitsPerSecond(); limit > 0 && p.Layer == 0 && proto.OverRate(rate, limit) && !v.overRate {
		v.overRate = true
		v.out.Warn(cli.Warning{
			Code: "max-rate",
			Text: fmt.Sprintf("the lowest layer has about %v, over the %v of --max-rate, and is received all the same", quantity.Rate(rate), v.opts.maxRate),
			Fix:  "iotupd send --layers 4 --rate RATE FILE   # --rate is that of the lowest layer",
		})
	}
}

// heardBy returns what receiver.Config.Heard is: for the choice of layers, and
// for a recording, if there is one.
func (v *recvView) heardBy(rec *recording) func(time.Time, receiver.Origin, proto.Path) {
	return func(now time.Time, from receiver.Origin, p proto.Path) {
		v.checkRate(p)
		v.layers.hear(now, from, p)
		if rec != nil {
			rec.hear(now, from, p)
		}
	}
}

// changed tells that other layers are received from now on.
func (v *recvView) changed(now time.Time, level int) {
	v.out.Event("layers", layersEvent{Layers: level + 1, Seconds: now.Sub(v.first).Seconds()})
	switch level {
	case -1:
		v.out.Line("more than half of the lowest layer is lost: silent for a while, to relieve the network")
	default:
		v.out.Decision("receiving layers 0 to %d", level)
	}
}

type layersEvent struct {
	Layers  int     `json:"layers"`  // received from now on
	Seconds float64 `json:"seconds"` // since the first packet
}
