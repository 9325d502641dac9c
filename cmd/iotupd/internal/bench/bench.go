// SPDX-License-Identifier: GPL-2.0-or-later

// Package bench is the command iotupd bench: its flags, and views of results.
package bench

import (
	"context"
	"errors"
	"fmt"
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

const benchHelp = `Measure what receivers wait for under loss: packets sent until they are done,
over K/(1-p), what an ideal code needs on average. 1.000 is the limit for
independent loss; with bursts or traces compare with the row ideal.

Without flags it takes a tour of some 10 s of two free cores: schemes and rates
of loss.

Modes: sim runs the sender and receiver of this program in virtual time; model
computes independent loss exactly, for millions of receivers and large files;
net runs real processes with real sockets, in network namespaces as root on
Linux, else on the loopback interface.

Experiments: completion is all this; pollution counts what receivers wait for,
and how many fail, over the share of forged packets in all that they hear, with
digests and without, and decodes real bytes for that; layers has receivers
behind bottlenecks find out how many layers these carry.

A requirement goes by the figure, not by its confidence interval.
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
		Short: "measure completion under loss",
		Long:  benchHelp + benchForms(),
		Example: `  iotupd bench
  iotupd bench --loss gilbert:10%,burst=5 --sweep parity=0:100%:10% --out out/
  iotupd bench --scheme loop,auto,ideal --sweep loss=0:30%:2.5% --receivers 1000
  iotupd bench --loss trace:field.trace --require 'p99<=1.05'
  iotupd bench --experiment pollution --forge smart
  iotupd bench --experiment layers --bottleneck 1.5M,10M --sharing 5
  iotupd bench --mode net --size 64M --rate 100M --loss bernoulli:5%`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
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
		"format": cli.OneOf(formatNames...), "progress": cli.OneOf(cli.ProgressKinds...),
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
	flags.StringVar(&o.subject, "experiment", experimentNames()[0], "`what` to find out: "+cli.Choice(experimentNames()))
	flags.StringVar(&o.mode, "mode", string(bench.Sim), "`kind` of measurement: sim, model or net")
	flags.StringVar(&o.schemes, "scheme", "", "`schemes` to compare, with commas (default auto)")
	flags.StringVar(&o.loss, "loss", "none", "`model` of the loss on the way")
	flags.StringVar(&o.sweep, "sweep", "", "`parameter` to vary, and its values")
	flags.Var(&o.size, "size", "of the file")
	flags.IntVar(&o.shardSize, "shard-size", proto.DefaultShardSize, "payload `bytes` of a packet, a multiple of 64")
	flags.VarP(&o.rate, "rate", "r", "bit `rate` of whole IP packets of every sender, such as 500k, 20M, 1G")
	flags.IntVar(&o.receivers, "receivers", 0, fmt.Sprintf("`number` of receivers of a trial (default %d; net: %d)", bench.DefaultReceivers, bench.DefaultNetReceivers))
	flags.IntVar(&o.trials, "trials", 1, "`number` of trials, each with losses of its own")
	flags.IntVar(&o.senders, "senders", 1, "`number` of senders of the same file")
	flags.StringVar(&o.starts, "starts", string(bench.StartsCoordinated), "`where` several senders begin: coordinated or random")
	flags.StringVar(&o.join, "join", string(bench.JoinRandom), "`when` receivers begin to listen: random, or start")
	flags.BoolVar(&o.withBytes, "with-bytes", false, "sim: send and decode a real file, not only headers")
	flags.BoolVar(&o.loopback, "loopback", false, "net: use the loopback interface even if namespaces could be made")
	flags.StringVar(&o.forge, "forge", benchForgeries[0], "pollution: `kind` of forged packets, "+cli.Choice(benchForgeries))
	o.layersOptions.addFlags(flags)
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that makes all that is random repeatable")
	cli.Under(flags, "Experiment")

	flags.StringArrayVar(&o.require, "require", nil, "exit with 13 unless all rows meet this `bound`, repeatable")
	flags.StringVar(&o.format, "format", formatNames[0], "`kind` of output: table, csv, json or markdown")
	flags.StringVar(&o.out, "out", "", "write CSV, JSON, SVG and an HTML report to this `directory`")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	flags.StringVar(&o.progress, "progress", "auto", "`kind` of progress: bar, plain or none; auto is bar on a terminal and else plain")
	flags.BoolP("help", "h", false, "print this help")
	cli.Under(flags, "Output")
}

// A measurement is an experiment that gives a [bench.Result].
type measurement func(ctx context.Context, o *benchOptions, e bench.Experiment, out *cli.Output) (bench.Result, error)

// run measures, and prints and writes what came out.
func (m measurement) run(ctx context.Context, opts benchOptions, flags *pflag.FlagSet, std cli.Stdio) (err error) {
	shown := cli.OutputOptions{Quiet: opts.quiet, Progress: opts.progress, Stats: 10 * time.Second, Patient: true}
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
