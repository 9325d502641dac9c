// SPDX-License-Identifier: GPL-2.0-or-later

// Package bench is the command iotupd bench: its flags, and views of results.
package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/bench"
	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

const benchHelp = `Measure how many packets a sender must send until every receiver has the file,
relative to the minimum: 1.000 is what an ideal code needs under the same
independent loss. Without flags, compare some schemes at some loss rates, in
under a minute.`

const benchDetails = `Figures are packets sent until a receiver is done, over K/(1-p), where K is the
number of packets that the file fills, and p is the share of packets that are
lost. With loss in bursts or from a trace, compare with the row ideal.

Modes: sim runs the sender and receiver of this program in virtual time. model
computes the exact result for independent loss, for millions of receivers and
large files. net runs real processes with real sockets, in network namespaces if
it runs as root on Linux, else on the loopback interface.

Experiments: completion is all of the above. pollution sends forged packets, and
measures how long receivers take and how many fail, with and without digests.
layers has receivers behind bottlenecks find out how many layers these carry.
set sends several files together, whose rate is shared by their size and
popularity (sqrt), by their size (size), or given to one after the other, the
smallest first (shortest). Its figures are packets of all files until a receiver
is done, over the packets that all files fill / (1-p), in three cases: receivers
join at random and want one file each; all are there at the start and want one
each; they join at random and want all. optimum is the least mean that an ideal
code makes possible, in any order of the packets, and constant is the least mean
where packets of all files alternate. With n packets of a file, and w the share
of the receivers that want it, they are, over the sum of n:
  random    optimum: the least sum of w*n*(1/(2f)+1-f/2), the sum of all f
            being 1; constant: (sum of sqrt(w*n))^2
  start     optimum: the sum of w*m, where m is n of the file and of all files
            with a smaller n/w; constant: (sum of sqrt(w*n))^2
  all       both: 1

Loss models: bernoulli: every packet is lost with this probability. gilbert:
mean loss, and the mean number of packets lost in a row. ge: probabilities per
packet, p: good to bad, r: bad to good, h: share that ARRIVES in the bad state,
k: share that arrives in the good state. periodic: every 20th packet is lost.
trace: the losses that recv --record has written. mix: shares of the receivers
with a loss model each.

Schemes: auto is what send does, auto:PROFILE what send --profile PROFILE does.
gf8 and gf16 are FEC groups of so many data and parity packets over GF(2^8) and
GF(2^16). loop repeats the file without parity. repeat:3 sends every packet
three times in a row. raptorq is that fountain code, ideal a perfect one. order
is the sequence of packets in a loop: rows takes one packet of every group in
turn and is what send does; plain the same, every turn beginning with the first
group; group sends group after group; data-parity the data of all groups, then
rows of parity; windows:4 goes through four groups at a time; permuted is
random.

--require compares the measured value; it ignores the error bars.
`

type benchOptions struct {
	subject   string // name of an experiment
	mode      string
	schemes   string
	loss      string
	sweep     string
	size      quantity.Size
	shardSize int
	rate      quantity.Rate
	receivers int
	trials    int
	senders   int
	starts    string
	join      string
	withBytes bool
	loopback  bool
	forge     string
	seed      uint64
	layersOptions
	setOptions

	require  []string
	format   string
	out      string
	quiet    bool
	progress string

	given func(flag string) bool // or else it has its default
}

// NewCommand returns the command, with those below it.
func NewCommand() *cobra.Command {
	opts := benchOptions{size: bench.DefaultSize, rate: sender.DefaultRate}
	cmd := &cobra.Command{
		Use:   "bench [flags]",
		Short: "measure transfers under packet loss",
		Long:  benchHelp,
		Example: `  iotupd bench
  iotupd bench --loss gilbert:10%,burst=5 --sweep parity=0:100%:10% --out out/
  iotupd bench --scheme loop,auto,ideal --sweep loss=0:30%:2.5% --receivers 1000
  iotupd bench --loss trace:field.trace --require 'p99<=1.05'
  iotupd bench --experiment pollution --forge smart
  iotupd bench --experiment layers --bottleneck 1.5M,10M --sharing 5
  iotupd bench --objects 1M*10,100M*2 --share sqrt --loss bernoulli:5%
  iotupd bench --mode net --size 64M --rate 100M --loss bernoulli:5%`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: benchDetails + benchForms()},
		DisableFlagsInUseLine: true,
		Args:                  cli.NoArguments,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := cmd.Flags()
			if flags.Changed("receivers") && opts.receivers < 1 {
				return cli.UsageError("--receivers %d: want at least 1", opts.receivers)
			}
			opts.given = flags.Changed
			experiment, err := opts.experimentNamed(flags)
			if err != nil {
				return err
			}
			return experiment.run(cmd.Context(), opts, flags, cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cmd.MarkFlagDirname("out")
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{
		"experiment": cli.OneOf(experimentNames()...), "forge": cli.OneOf(benchForgeries...),
		"mode": cli.OneOf(benchModes...), "join": cli.OneOf(benchJoins...), "starts": cli.OneOf(benchStarts...),
		"share": cli.OneOf(benchShares...), "format": cli.OneOf(formatNames...), "progress": cli.OneOf(cli.ProgressKinds...),
	})
	cmd.AddCommand(newFitCommand(), newCompareCommand())
	return cmd
}

// benchForms lists what the flags with a grammar of their own read.
func benchForms() string {
	var b strings.Builder
	for _, form := range []struct{ label, text string }{
		{"--scheme", bench.SchemeForms + "; ,order=" + bench.OrderForms},
		{"--loss", simnet.LossForms},
		{"--sweep", bench.SweepForms},
		{"--objects", bench.ObjectsForms},
		{"--require", bench.RequirementForms},
	} {
		label := fmt.Sprintf("  %-10s", form.label)
		b.WriteString("\n" + cli.Wrap(label, strings.Fields(form.text), cli.Layout{Width: cli.HelpWidth, Indent: len(label) + 1}))
	}
	return b.String()
}

var (
	benchModes  = []string{string(bench.Sim), string(bench.Model), string(bench.Net)}
	benchJoins  = []string{string(bench.JoinRandom), string(bench.JoinStart)}
	benchStarts = []string{string(bench.StartsCoordinated), string(bench.StartsRandom)}
)

func (o *benchOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.subject, "experiment", experimentNames()[0], "`what` to measure: "+cli.Choice(experimentNames()))
	flags.StringVar(&o.mode, "mode", string(bench.Sim), "`kind` of measurement: sim (virtual time), model (exact calculation) or net (real sockets)")
	flags.StringVar(&o.schemes, "scheme", "", "`schemes` to compare, with commas, such as auto,loop,ideal (default auto)")
	flags.StringVar(&o.loss, "loss", "none", "loss `model`, such as bernoulli:5% or gilbert:10%,burst=5")
	flags.StringVar(&o.sweep, "sweep", "", "`parameter` to vary, with its values, such as loss=0:30%:2.5%")
	flags.Var(&o.size, "size", "size of the file")
	flags.IntVar(&o.shardSize, "shard-size", proto.DefaultShardSize, "payload `bytes` of a packet, a multiple of 64")
	flags.VarP(&o.rate, "rate", "r", "bit `rate` of each sender, IP headers included, such as 500k, 20M or 1G")
	flags.IntVar(&o.receivers, "receivers", 0, fmt.Sprintf("`number` of receivers of a trial (default %d; net: %d)", bench.DefaultReceivers, bench.DefaultNetReceivers))
	flags.IntVar(&o.trials, "trials", 1, "`number` of trials, each with different losses")
	flags.IntVar(&o.senders, "senders", 1, "`number` of senders of the same file")
	flags.StringVar(&o.starts, "starts", string(bench.StartsCoordinated), "`where` in the loop several senders begin: coordinated or random")
	flags.StringVar(&o.join, "join", string(bench.JoinRandom), "`when` receivers join: random, or start")
	flags.BoolVar(&o.withBytes, "with-bytes", false, "sim: also encode and decode real data (slower)")
	flags.BoolVar(&o.loopback, "loopback", false, "net: use the loopback interface instead of network namespaces")
	flags.StringVar(&o.forge, "forge", benchForgeries[0], "pollution: `kind` of forged packets, "+cli.Choice(benchForgeries))
	o.layersOptions.addFlags(flags)
	o.setOptions.addFlags(flags)
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that makes random choices repeatable")

	flags.StringArrayVar(&o.require, "require", nil, "exit with code 13 unless all rows are within this `bound`, such as p99<=1.05, repeatable")
	flags.StringVar(&o.format, "format", formatNames[0], "`kind` of output: table, csv, json or markdown")
	flags.StringVar(&o.out, "out", "", "write CSV, JSON, SVG plots and an HTML report to this `directory`")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	flags.StringVar(&o.progress, "progress", "auto", "`kind` of progress: bar, plain, none, or auto: bar on a terminal, else plain")
}

// A measurement is an experiment that gives a [bench.Result].
type measurement func(ctx context.Context, o *benchOptions, e bench.Experiment, out *cli.Output) (bench.Result, error)

// run measures, and prints and writes the results.
func (m measurement) run(ctx context.Context, opts benchOptions, flags *pflag.FlagSet, std cli.Stdio) (err error) {
	shown := cli.OutputOptions{Quiet: opts.quiet, Progress: opts.progress, Stats: 10 * time.Second, WaitForReader: true}
	if err := shown.Validate(); err != nil {
		return err
	}
	write, err := opts.writer()
	if err != nil {
		return err
	}
	requirements, err := opts.requirements()
	if err != nil {
		return err
	}
	e, err := opts.experiment()
	if err != nil {
		return err
	}
	if err := opts.tryOut(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, shown, std, nil)
	defer func() { err = out.Close(err) }()
	v := benchView{out: out, begin: time.Now()}
	e.Progress = v.progress
	r, runErr := m(ctx, &opts, e, out)
	out.EndProgress()
	if len(r.Rows) > 0 {
		if err := write(std.Out, r); err != nil {
			return cli.WithCode(cli.ExitLocalIO, err)
		}
	}
	if errors.As(runErr, new(cli.SignalError)) {
		out.Line("stopped: only what was finished is shown, and nothing was written or required")
	}
	if runErr != nil {
		return benchError(runErr)
	}
	if opts.out != "" {
		if err := v.writeDir(opts.out, r, flags); err != nil {
			return err
		}
	}
	for _, q := range requirements {
		if caution := q.Caution(r); caution != "" {
			out.Line("warning: --require %s", caution)
		}
	}
	return require(r, requirements)
}

// benchError gives errors of an experiment their exit code.
func benchError(err error) error {
	if errors.Is(err, bench.ErrExperiment) || errors.Is(err, bench.ErrScheme) || errors.Is(err, bench.ErrRequirement) {
		return cli.UsageError("%s", plainly(err))
	}
	return err
}

// plainly drops from a message what the name of the command says already.
func plainly(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "bench: "), "invalid experiment: ")
}

// experiment reads the flags.
func (o *benchOptions) experiment() (e bench.Experiment, err error) {
	if o.subject == completion && !o.given("mode") && !o.given("scheme") && !o.given("loss") && !o.given("sweep") {
		e = bench.Tour()
	}
	e.Mode, e.Join, e.Starts = bench.Mode(o.mode), bench.Join(o.join), bench.Starts(o.starts)
	e.Size, e.ShardSize, e.Rate = int64(o.size), o.shardSize, int64(o.rate)
	e.Receivers, e.Trials, e.Senders = o.receivers, o.trials, o.senders
	e.WithBytes, e.Seed = o.withBytes, o.seed
	if err := o.checkChoices(); err != nil {
		return e, err
	}
	switch {
	case o.size < 1:
		return e, cli.UsageError("--size %v: want at least 1 B", o.size)
	case encode.CheckShardSize(o.shardSize) != nil:
		return e, encode.CheckShardSize(o.shardSize)
	case o.trials < 1:
		return e, cli.UsageError("--trials %d: want at least 1", o.trials)
	case o.senders < 1:
		return e, cli.UsageError("--senders %d: want at least 1", o.senders)
	case o.loopback && e.Mode != bench.Net:
		return e, cli.UsageError("--loopback is for --mode net")
	}
	if o.schemes != "" {
		if e.Schemes, err = bench.ParseSchemes(o.schemes); err != nil {
			return e, cli.UsageError("--scheme: %s", plainly(err))
		}
	}
	if o.sweep != "" {
		if e.Sweep, err = bench.ParseSweep(o.sweep); err != nil {
			return e, cli.UsageError("--sweep: %s", plainly(err))
		}
	}
	e.Loss, err = cli.ReadLoss("loss", o.loss)
	return e, err
}

// checkChoices reports a flag whose value is not one of its choices.
func (o *benchOptions) checkChoices() error {
	for _, of := range []struct {
		flag, value string
		choices     []string
	}{
		{"mode", o.mode, benchModes}, {"join", o.join, benchJoins}, {"starts", o.starts, benchStarts}, {"forge", o.forge, benchForgeries},
		{"share", o.share, benchShares},
	} {
		if !slices.Contains(of.choices, of.value) {
			return cli.UsageError("--%s %.40q: want %s", of.flag, of.value, cli.Choice(of.choices))
		}
	}
	return nil
}

func (o *benchOptions) requirements() (all []bench.Requirement, err error) {
	for _, text := range o.require {
		q, err := bench.ParseRequirement(text)
		if err != nil {
			return nil, cli.UsageError("--require: %s", plainly(err))
		}
		all = append(all, q)
	}
	return all, nil
}

// require returns an error that names the rows that do not meet what is required.
func require(r bench.Result, requirements []bench.Requirement) error {
	var missed []string
	for _, q := range requirements {
		if err := q.Check(r); err != nil {
			missed = append(missed, plainly(err))
		}
	}
	if missed == nil {
		return nil
	}
	return cli.WithCode(cli.ExitRequirement, errors.New(strings.Join(missed, "\n  ")))
}
