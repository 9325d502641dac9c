// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"strconv"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
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
