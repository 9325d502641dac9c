// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

// dialLayers opens a socket for every layer.
func dialLayers(way mcast.SendConfig, layers int) (conns []*mcast.Conn, err error) {
	for l := range layers {
		cfg := way
		cfg.Group = proto.LayerGroup(way.Group, l)
		c, e := mcast.Dial(cfg)
		if err = e; err != nil {
			break
		}
		conns = append(conns, c)
	}
	if err != nil {
		closeConns(conns)
		return nil, err
	}
	return conns, nil
}

func closeConns(conns []*mcast.Conn) (err error) {
	for _, c := range conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// checkLayers reports what --layers of a sender makes impossible.
func (o *sendOptions) checkLayers() error {
	if !proto.ValidLayers(o.layers) {
		return cli.UsageError("--layers %d: want 1 to %d", o.layers, proto.MaxLayers)
	}
	if o.totalRate() > sender.MaxRate {
		return cli.UsageError("--layers %d: with --rate %v for the lowest they are over %v together", o.layers, o.rate, quantity.Rate(sender.MaxRate))
	}
	if o.group == "" {
		return nil
	}
	base, err := netip.ParseAddr(o.group)
	if err == nil && !proto.HaveRoom(base, o.layers) {
		return cli.UsageError("--group %v: there is no room above it for %d layers", base, o.layers)
	}
	return nil
}

// totalRate is the rate of all layers together.
func (o *sendOptions) totalRate() quantity.Rate {
	return quantity.Rate(sender.TotalRate(int64(o.rate), o.layers))
}

// ratesText lists the rate of every layer.
func (o *sendOptions) ratesText() string {
	if o.layers == 1 {
		return o.rate.String()
	}
	rates := []string{o.rate.String()}
	for l := 1; l < o.layers; l++ {
		rates = append(rates, (o.rate << (l - 1)).String())
	}
	return fmt.Sprintf("%d layers of %s, %v in all", o.layers, strings.Join(rates, ", "), o.totalRate())
}
