// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"net/netip"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

// checkLayers reports what --layers of a sender makes impossible.
func (o *sendOptions) checkLayers() error {
	layers := o.cfg.Carousel.Layers
	if layers != 1 && o.cfg.Carousel.Rate == unlimited {
		return cli.UsageError("--layers %d: the rates of layers are multiples of --rate, which cannot be max", layers)
	}
	if !proto.ValidLayers(layers) {
		return cli.UsageError("--layers %d: want 1 to %d", layers, proto.MaxLayers)
	}
	if o.totalRate() > sender.MaxRate {
		return cli.UsageError("--layers %d: with --rate %v for the lowest layer, all layers together exceed %v", layers, o.rate(), quantity.Rate(sender.MaxRate))
	}
	if o.group == "" {
		return nil
	}
	base, err := netip.ParseAddr(o.group)
	if err == nil && !proto.LayersFit(base, layers) {
		return cli.UsageError("--group %v: there is no space above it for %d layers", base, layers)
	}
	return nil
}

// rate is the rate of the lowest layer.
func (o *sendOptions) rate() quantity.Rate { return quantity.Rate(o.cfg.Carousel.Rate) }

// totalRate is the rate of all layers together.
func (o *sendOptions) totalRate() quantity.Rate {
	return quantity.Rate(sender.TotalRate(o.cfg.Carousel.Rate, o.cfg.Carousel.Layers))
}

// ratesText lists the rate of every layer.
func (v *sendView) ratesText() string {
	o := &v.opts
	switch {
	case o.cfg.Carousel.Rate != unlimited:
	case v.route().Speed > 0:
		return fmt.Sprintf("as fast as the link of %v takes", quantity.Rate(v.route().Speed))
	default:
		return "as fast as the link takes"
	}
	layers := o.cfg.Carousel.Layers
	if layers == 1 {
		return o.rate().String()
	}
	rates := []string{o.rate().String()}
	for l := 1; l < layers; l++ {
		rates = append(rates, (o.rate() << (l - 1)).String())
	}
	return fmt.Sprintf("%d layers of %s, %v in all", layers, strings.Join(rates, ", "), o.totalRate())
}
