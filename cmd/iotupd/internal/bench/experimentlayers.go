// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/bench"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
)

// layersOptions are what only the experiment of layers has.
type layersOptions struct {
	layers      int
	bottlenecks rates
	sharing     int
	queue       time.Duration
	time        time.Duration
}

// layersFlags are their names.
var layersFlags = []string{"layers", "bottleneck", "sharing", "queue", "time"}

func (o *layersOptions) addFlags(flags *pflag.FlagSet) {
	o.bottlenecks = bench.DefaultBottlenecks
	flags.IntVar(&o.layers, "layers", bench.DefaultLayers, "`number` of layers of each sender")
	flags.Var(&o.bottlenecks, "bottleneck", "bit `rates` of the receivers' links, with commas: one class of receivers for each")
	flags.IntVar(&o.sharing, "sharing", 1, "`number` of receivers behind one link")
	flags.DurationVar(&o.queue, "queue", 100*time.Millisecond, "`time` that a full queue of a link takes to drain")
	flags.DurationVar(&o.time, "time", bench.DefaultLayersTime, "least `time` that receivers keep running")
	cli.NotFromEnvironment(flags, "layers") // that of recv may be auto
}

// measureLayers measures what receivers behind bottlenecks do.
func measureLayers(ctx context.Context, o *benchOptions, e bench.Experiment, _ *cli.Output) (bench.Result, error) {
	if min(int64(o.layers), int64(o.sharing), int64(o.queue), int64(o.time)) <= 0 {
		return bench.Result{}, cli.UsageError("--layers, --sharing, --queue and --time: want more than 0")
	}
	if !o.given("rate") {
		e.Rate = 0 // its own default
	}
	return bench.Layers{
		Experiment: e, Layers: o.layers, Bottlenecks: o.bottlenecks,
		Sharing: o.sharing, Queue: o.queue, Time: o.time,
	}.Run(ctx)
}

// rates are bit rates with commas between.
type rates []int64

// Set implements [pflag.Value].
func (r *rates) Set(s string) error {
	var all rates
	for text := range strings.SplitSeq(s, ",") {
		rate, err := quantity.ParseRate(text)
		if err != nil {
			return err
		}
		all = append(all, int64(rate))
	}
	*r = all
	return nil
}

// String implements [pflag.Value].
func (r *rates) String() string {
	var text []string
	for _, rate := range *r {
		text = append(text, strings.ReplaceAll(strings.TrimSuffix(quantity.Rate(rate).String(), "bit/s"), " ", ""))
	}
	return strings.Join(text, ",")
}

// Type implements [pflag.Value].
func (r *rates) Type() string { return "rates" }
