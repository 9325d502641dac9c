// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
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

// runOptions are those of the transfer of r: it keeps to the layers that its path
// carries.
func (v *recvView) runOptions(r *receiver.Receiver) receiver.RunOptions {
	cfg, _ := v.opts.layerOptions.config() // validated
	return receiver.RunOptions{
		Report: v.report, Lost: v.opts.lost(), Heard: v.hear,
		Layers: layers.New(r.Streams(), cfg), LevelChanged: v.changed,
		// What fails is in the list of memberships, and tried again with the next
		// look at the interfaces.
		Join: func(level int) { v.listener.SetLevel(level) },
	}
}

// checkRate warns once of a sender whose lowest layer is over --max-rate: it is
// received all the same.
func (v *recvView) checkRate(s *receiver.Stream) {
	limit := int64(v.opts.maxRate)
	if rate := s.Rate.BitsPerSecond(); limit > 0 && s.Layer == 0 && proto.OverRate(rate, limit) {
		v.overRate = true
		v.out.Warn(cli.Warning{
			Code: "max-rate",
			Text: fmt.Sprintf("the lowest layer has about %v, over the %v of --max-rate, and is received all the same", quantity.Rate(rate), v.opts.maxRate),
			Fix:  "iotupd send --layers 4 --rate RATE FILE   # --rate is that of the lowest layer",
		})
	}
}

// hear is receiver.RunOptions.Heard.
func (v *recvView) hear(_ time.Time, packets []receiver.Heard) {
	for i := range packets {
		if !v.overRate {
			v.checkRate(packets[i].Stream)
		}
		if v.recording != nil {
			v.recording.hear(&packets[i])
		}
	}
}

// changed is receiver.RunOptions.LevelChanged.
func (v *recvView) changed(now time.Time, level int) {
	v.level = level
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
