// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"iotupd/bench"
	"iotupd/bench/live"
	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
)

// An experiment is what --experiment names.
type experiment struct {
	name    string
	run     func(context.Context, benchOptions, *pflag.FlagSet, cli.Stdio) error
	foreign []string // flags that say nothing to it
}

const completion = "completion"

// experiments are all there are, the default first.
var experiments = []experiment{
	{completion, measurement(measureCompletion).run, slices.Concat([]string{"forge"}, layersFlags, setFlags)},
	{"pollution", measurement(measurePollution).run, slices.Concat([]string{"mode", "sweep", "senders", "starts", "with-bytes", "loopback"}, layersFlags, setFlags)},
	{"layers", measurement(measureLayers).run, slices.Concat([]string{"forge", "mode", "sweep", "starts", "join", "with-bytes", "loopback"}, setFlags)},
	{setName, measurement(measureSet).run, slices.Concat([]string{"forge", "mode", "sweep", "size", "senders", "starts", "join", "loopback"}, layersFlags)},
}

func experimentNames() (names []string) {
	for _, x := range experiments {
		names = append(names, x.name)
	}
	return names
}

var benchForgeries = func() (names []string) {
	for _, f := range bench.Forgeries {
		names = append(names, string(f))
	}
	return names
}()

// experimentNamed returns the experiment asked for.
func (o *benchOptions) experimentNamed(flags *pflag.FlagSet) (x experiment, err error) {
	if cli.OnCommandLine(flags.Lookup("objects")) && !flags.Changed("experiment") {
		o.subject = setName
	}
	i := slices.Index(experimentNames(), o.subject)
	if i < 0 {
		return x, cli.UsageError("--experiment %.40q: want %s", o.subject, cli.Choice(experimentNames()))
	}
	for _, name := range experiments[i].foreign {
		if cli.OnCommandLine(flags.Lookup(name)) {
			return x, cli.UsageError("--%s has no effect with --experiment %s", name, o.subject)
		}
	}
	return experiments[i], nil
}

// measureCompletion measures in the mode asked for.
func measureCompletion(ctx context.Context, o *benchOptions, e bench.Experiment, out *cli.Output) (bench.Result, error) {
	if e.Mode != bench.Net {
		return e.Run(ctx)
	}
	program, err := os.Executable()
	if err != nil {
		return bench.Result{}, err
	}
	return live.Run(ctx, e, live.Options{
		Program: program, Dir: durable.ScratchDir(), OnLoopback: o.loopback,
		Note: func(text string) { out.Line("%s", text) },
	})
}

// measurePollution measures what forged packets do.
func measurePollution(ctx context.Context, o *benchOptions, e bench.Experiment, _ *cli.Output) (bench.Result, error) {
	p := bench.Pollution{Experiment: e, Forgery: bench.Forgery(o.forge)}
	if !o.given("size") {
		p.Size = 0 // its own default
	}
	if o.given("loss") {
		p.Losses = []simnet.Loss{e.Loss}
	}
	return p.Run(ctx)
}
