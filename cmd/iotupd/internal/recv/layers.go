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
	flags.StringVar(&o.layers, "layers", "auto", "highest `number` of layers to join if the sender offers several; auto: as many as arrive without much loss")
	flags.Var(&o.maxRate, "max-rate", "limit the download `rate` if the sender offers several layers; the lowest one is always received (default no limit)")
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
