// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"slices"

	"github.com/spf13/pflag"

	"iotupd/bench"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/sender"
)

// setOptions are what only the experiment of several objects has.
type setOptions struct {
	objects string
	share   string
}

const (
	setName   = "set"
	allShares = "all"
)

// setFlags are their names.
var setFlags = []string{"objects", "share"}

var benchShares = append(slices.Clone(bench.ShareNames), allShares)

func (o *setOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.objects, "objects", bench.DefaultObjects, "`sizes` of several files that are sent together, such as 1M*10,100M*2: implies --experiment set")
	flags.StringVar(&o.share, "share", allShares, "`how` several files share the rate: "+cli.Choice(benchShares))
}

// measureSet measures a sender of several objects.
func measureSet(ctx context.Context, o *benchOptions, e bench.Experiment, _ *cli.Output) (bench.Result, error) {
	s := bench.Set{Experiment: e}
	var err error
	if s.Objects, err = bench.ParseObjects(o.objects); err != nil {
		return bench.Result{}, cli.UsageError("--objects: %s", plainly(err))
	}
	if i := slices.Index(bench.ShareNames, o.share); i >= 0 {
		s.Shares = []sender.Share{sender.Share(i)}
	}
	return s.Run(ctx)
}
