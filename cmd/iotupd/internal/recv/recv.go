// SPDX-License-Identifier: GPL-2.0-or-later

// Package recv is the command that receives files.
package recv

import (
	"cmp"
	"context"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/memlimit"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
)

const help = `Receive one file that a sender repeats on the channel, verify it, and exit.

The file is received into a hidden partial file beside the target, which is
replaced only after the SHA-256 is verified. If recv is interrupted, the next
run resumes. With --trust, only files signed by one of these keys are accepted,
and none older than what was installed before; without it, anyone on the network
can send you a file.`

const details = `The target is replaced by renaming the partial file, which is read back from the
disk and verified first. An existing target keeps its mode, and its owner and
group as far as the system allows it. Packets from any number of senders of the
same file are combined. While a file is received, hashes need about 8 % more
disk than the file, and up to 12 % if it is small.

-o follows a symbolic link: the link stays, and the file that it points to is
replaced. With -d, where the sender chooses the name, a link of that name is
replaced itself.

Before anything is received, recv checks that the old file can be replaced, and
that there is space for the file and for the data in --state. If not, it says
what is missing.

-o - and --dry-run use a temporary file, in $TMPDIR or else in /var/tmp.

If several files are sent and none is chosen by --name, --component, --object,
--sha256 or --target, recv lists them and exits with code 3; if it could accept
only one, it receives that. With --all it receives all of them into the
directory of -d, each as soon as it is complete, and ends when the list of the
sender is complete or, without a list, after 11 s. The limits of memory are for
all files together.

The command of --exec installs a new file. What becomes of it is recorded in
--state, before each step, for each channel, component and key of --trust. By
its exit code the command says what happens next:

  0      the release is installed, and with --confirm is to be confirmed
  65     the release is rejected, and is not installed before a higher sequence
  75     not now: the command is called again later, which is not an attempt
  other  the attempt has failed. The next one comes with the next start of recv,
         or with --follow after a minute, then 4 minutes, 16 and at most an hour

After --exec-attempts that failed, the release is given up until a higher
sequence or iotupd retry. An attempt that a signal, a reboot or a power cut
ended counts, too; if all of them ended so, one more comes after each 24 h of
uptime. A pending installation needs no sender. See iotupd status. A command
that reboots calls iotupd installed before.

When recv is stopped, the command gets SIGTERM, and is killed after 10 s. Until
it has succeeded, only the user of recv can change the file: its owner, and a
mode that lets others write, are set then. Its environment has IOTUPD_FILE (the
path), IOTUPD_FILE_NAME, _SIZE, _SHA256, _OBJECT, _CHANNEL, _COMPONENT and
_VERIFIED (true or false); for a signed file also _SIGNED_BY, _SEQUENCE,
_VERSION and _METADATA (base64); and IOTUPD_ATTEMPT, 1 for the first attempt. It
inherits descriptor 3, a lock by which no second one runs beside it, even if
recv is killed.

A channel may carry several products, which sign --component names: --component
takes releases of one, and compares them with its own releases only. --follow
without --component keeps to the component of the first signed release.

With dns:NAME, recv listens to the senders that DNS lists for the channel NAME,
as printed by send --print-dns. DNS decides only whom to listen to; use --trust
for authenticity.

A slow reader of stdout or stderr does not delay a transfer: progress that is
not read is dropped, and up to 256 KiB of events are kept; after that, an event
gap has the number of missing ones. If the reader of -o - exits, recv ends with
exit code 141; if the reader of JSON events exits, recv continues.`

type options struct {
	listen.Options
	cli.OutputOptions
	trustOptions
	layerOptions
	hookOptions
	dnsOptions
	severalOptions
	directoryOptions
	output string
	dir    string
	ready  string
	dryRun bool
	follow bool
	buffer quantity.Size

	reuse      []string
	object     string
	sha256     string
	name       string
	maxSize    quantity.Size
	memory     quantity.Size
	leafMemory quantity.Size
	signatures int

	wait    time.Duration
	timeout time.Duration
	stall   time.Duration
	drop    string
	loss    simnet.Loss // that drop names
	seed    cli.LossSeed
	record  string
}

// NewCommand returns the command.
func NewCommand() *cobra.Command {
	opts := options{
		buffer: 32 << 20, maxSize: receiver.DefaultMaxSize, leafMemory: receiver.DefaultLeafMemory,
		signatures: receiver.DefaultSignatureRate, seed: cli.LossSeed{Seed: 1},
	}
	cmd := &cobra.Command{
		Use:   "recv [dns:NAME] (-o FILE | -d DIR) [flags]",
		Short: "receive a file and verify it",
		Long:  help,
		Example: `  iotupd recv -o firmware.bin
  iotupd recv -d /var/lib/fw --name 'fw-*.bin' --timeout 1m
  iotupd recv -o firmware.raucb --trust release.pub --exec 'rauc install {}'
  iotupd recv --follow -d /var/lib/fw --trust release.pub --exec ./install
  iotupd recv -o - | tar x
  iotupd recv --all -d /srv/release --trust release.pub
  iotupd recv dns:fw.example.net -o firmware.bin`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: details},
		DisableFlagsInUseLine: true,
		Args:                  atMostOneChannel,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(overrideEnvironment(cmd.Flags()), opts.find(cmd.Flags(), args)); err != nil {
				return err
			}
			return run(cmd.Context(), opts, cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cmd.MarkFlagDirname("dir")
	cli.CompleteFlags(cmd, opts.ChannelOptions.Completions())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"component": cobra.NoFileCompletions})
	return cmd
}

func (o *options) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "`file` to write or replace; - writes verified bytes to stdout")
	flags.StringVarP(&o.dir, "dir", "d", "", "`directory` to write to, under the name that the sender gives")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "test reception: receive and verify, but keep nothing")
	flags.StringSliceVar(&o.reuse, "reuse", nil, "older version of the `file` or directory, repeatable: what it has is not received again; of a file, blocks at the same place")
	flags.StringVar(&o.ready, "ready", "", "`directory` to write to, for iotupd install of another user; needs --trust")
	o.directoryOptions.addFlags(flags)
	o.hookOptions.addFlags(flags)
	o.addCheckFlag(flags)

	flags.StringVar(&o.name, "name", "", "only a file whose name matches this `glob` (default any)")
	flags.StringVar(&o.object, "object", "", "only the object with this `id` (default any)")
	flags.StringVar(&o.sha256, "sha256", "", "only the file with this SHA-256, in `hex`adecimal (default any)")
	flags.Var(&o.maxSize, "max-size", "refuse larger files")
	o.severalOptions.addFlags(flags)
	flags.DurationVar(&o.timeout, "timeout", 0, "give up (exit code 4) after this `time` without packets before the first one (default never)")
	flags.DurationVar(&o.stall, "stall", 0, "give up (exit code 5) after this `time` without packets after the first one (default never)")
	flags.BoolVar(&o.follow, "follow", false, "keep running, and receive every newer release; needs --trust")

	o.trustOptions.addFlags(flags)
	o.addGroupKeyFlag(flags)

	o.Options.AddFlags(flags)
	o.dnsOptions.addFlags(flags)
	o.layerOptions.addFlags(flags)
	flags.DurationVar(&o.wait, "wait", agent.DefaultWait, "`time` to wait at the start for an --interface that does not exist; one that is down, or has no address, is always waited for")
	flags.Var(&o.buffer, "receive-buffer", "socket buffer to ask the system for, which may grant less")

	flags.Var(&o.memory, "memory", "memory limit for everything, kernel buffers included (default what the control groups and the system allow)")
	flags.Var(&o.leafMemory, "leaf-memory", "part of --memory that caches packet hashes; the others are read from the disk")
	flags.IntVar(&o.signatures, "signature-rate", o.signatures, "verify at most `n` signatures per second and ignore further manifests; lower it to save CPU time under a flood of forged ones")
	flags.StringVar(&o.record, "record", "", "write a trace of lost packets to this `file`, for bench fit and bench --loss")
	flags.StringVar(&o.drop, "drop", "none", "lose packets on purpose, for tests: `model` bernoulli:5%, gilbert:10%,burst=5, trace:FILE or another one of bench --loss")
	flags.Var(&o.seed, "seed", "`number` that makes the losses of --drop repeatable")

	o.OutputOptions.AddFlags(flags)
}

const (
	// codeBytes of the program's memory are pages of its file, which the collector
	// does not count.
	codeBytes = 7 << 20

	// plentyOfMemory is more than receiving takes with its defaults.
	plentyOfMemory = 512 << 20
)

// limitMemory returns what receiving may take, zero for as much as it likes, and
// has the collector keep to the rest. undo takes that back.
func (o *options) limitMemory() (limit int, undo func()) {
	total := int64(o.memory)
	if total == 0 {
		found := memlimit.Find().Bytes
		if found == 0 || found >= plentyOfMemory {
			return 0, func() {}
		}
		// The rest is for the kernel, whose memory for this process counts too.
		total = max(found-found/8, describe.LeastMemory)
	}
	before := debug.SetMemoryLimit(max(total-codeBytes, describe.LeastMemory/2))
	return int(min(total-describe.ProgramMemory, math.MaxInt32)), func() { debug.SetMemoryLimit(before) }
}

// targetDir is where the file that is received grows.
func (o *options) targetDir() string {
	switch {
	case o.dir != "":
		return o.dir
	case o.ready != "":
		return o.ready
	case o.keeps():
		return filepath.Dir(o.output)
	}
	return os.TempDir()
}

// mostSignatures are more than a processor verifies in a second.
const mostSignatures = 1_000_000

// tightHeap is how much garbage, in percent of what is in use, a receiver lets
// pile up. Its memory is few large buffers without pointers, which cost the
// collector nothing to visit; at the runtime's 100 they would count twice.
const tightHeap = 15

// run receives one file, or with --follow one after the other.
func run(ctx context.Context, opts options, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	defer surviveReaders()()
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(opts.heap()))
	}
	seeds, err := opts.openSeeds()
	if err != nil {
		return err
	}
	defer closeAll(seeds)
	cfg, names, err := opts.agentConfig(seeds, std.Out)
	if err != nil {
		return err
	}
	limit, undo := opts.limitMemory()
	defer undo()
	if opts.memory != 0 {
		cfg.Memory = max(receiver.DefaultMemory, limit/4)
	}
	cfg.MemoryLimit, cfg.InMemory = limit, memlimit.IsMemory(opts.targetDir())
	events := std.Out
	if opts.output == "-" {
		events = std.Err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, events)
	unit := &service{Service: cli.NewService(ctx)}
	defer unit.Close()
	cfg.Observe = unit.observing(idleGivesBack(newView(opts, out, names).observe))
	cfg.Ask = out.Asks()
	cfg.Listen.Logger = out.Log()
	var rec recording
	if opts.record != "" {
		cfg.Heard = rec.take
	}
	a, err := agent.New(cfg)
	if err != nil {
		out.Close(nil)
		return stateError(err)
	}
	defer func() { err = out.Close(err) }()
	out.WarnExposed(opts.groupKeys...)
	defer a.Close()
	if err := opts.checkStdout(std.Out); err != nil {
		return err
	}
	if err := opts.prepare(&cfg); err != nil {
		return outputError(err)
	}
	if opts.record != "" {
		if err := rec.open(opts.record); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, rec.close(out)) }()
	}
	unit.ready(ctx, a)
	return opts.explain(opts.receive(ctx, a))
}

// prepare looks at once whether the target can be written to.
func (o *options) prepare(cfg *agent.Config) error {
	if o.all {
		return cfg.Collection.Prepare()
	}
	return cfg.Target.Prepare()
}

// checkStdout refuses a stdout that is of no use for -o -.
func (o *options) checkStdout(stdout io.Writer) error {
	switch {
	case o.output != "-" || o.dryRun:
		return nil
	case cli.IsTerminal(stdout):
		return cli.UsageError("-o - would print the file on the terminal; redirect or pipe it")
	}
	return cli.CheckStdout(stdout)
}

// idleGivesBack has a silent receiver, which may stay one for days, give memory
// that it does not use back to the system at once.
func idleGivesBack(observe func(agent.Event)) func(agent.Event) {
	return func(e agent.Event) {
		observe(e)
		if _, silent := e.(agent.Silent); silent {
			debug.FreeOSMemory()
		}
	}
}

// receive receives, and runs the command of --exec.
func (o *options) receive(ctx context.Context, a *agent.Agent) error {
	install, err := o.install()
	if o.ready != "" {
		install = agent.HandOver()
	}
	switch {
	case err != nil:
		return err
	case o.all:
		return o.receiveAll(ctx, a)
	case o.follow:
		return a.Follow(ctx, install)
	}
	file, err := a.Pending(ctx)
	if err == nil && file == nil {
		file, err = a.Receive(ctx)
	}
	if err == nil && install != nil {
		err = file.Install(ctx, install)
	}
	if err == nil {
		a.Settle(ctx)
	}
	return err
}

// surviveReaders makes a write to a pipe that nobody reads any more an error, and
// not the end of the process: a reader of the events that ends does not stop a transfer. Programs
// that are started meanwhile have the signal as usual. It returns what undoes it.
func surviveReaders() (undo func()) {
	ch := make(chan os.Signal, 1) // from which nothing is read
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}

func (o *options) validate() error {
	switch {
	case o.output != "" && o.dir != "":
		return cli.UsageError("--output and --dir exclude each other")
	case o.ready != "" && (o.output != "" || o.dir != "" || o.exec != "" || o.dryRun):
		return cli.UsageError("--ready does not go with --output, --dir, --exec and --dry-run")
	case o.ready != "" && len(o.trust) == 0:
		return cli.UsageError("--ready needs --trust: iotupd install takes signed releases only")
	case o.output == "" && o.dir == "" && o.ready == "" && !o.dryRun:
		return cli.UsageError("say where to put the file: -o FILE, or -d DIR to keep the sent name")
	case o.exec != "" && !o.keeps():
		return cli.UsageError("--exec needs a file that stays: -o FILE or -d DIR, and no --dry-run")
	case o.check != "" && !o.keeps():
		return cli.UsageError("--check needs a file that stays: -o FILE or -d DIR, and no --dry-run")
	case o.installedSequence != "" && len(o.trust) == 0:
		return cli.UsageError("--installed-sequence needs --trust: an unsigned file can claim any sequence number")
	case o.installedObject != "" && len(o.trust) == 0 && o.exec == "":
		return cli.UsageError("--installed-object needs --exec or --trust: without them, nothing is remembered")
	case o.follow && (len(o.trust) == 0 || !o.keeps()):
		return cli.UsageError("--follow needs --trust, by which newer releases are recognized, and -o FILE or -d DIR")
	case o.follow && len(o.components) > 1 && o.output != "":
		return cli.UsageError("--follow -o FILE is for one --component: releases of several would replace each other; use -d DIR, or a recv for each")
	case o.installedSequence != "" && len(o.components) > 1:
		return cli.UsageError("--installed-sequence is for one --component: it says which release of one runs")
	case o.follow && o.timeout > 0:
		return cli.UsageError("--follow waits forever: leave out --timeout")
	case o.wait < 0:
		return cli.UsageError("--wait %v: want a time that is not negative", o.wait)
	case o.timeout < 0:
		return cli.UsageError("--timeout %v: want a time that is not negative", o.timeout)
	case o.stall < 0:
		return cli.UsageError("--stall %v: want a time that is not negative", o.stall)
	case o.memory != 0 && o.memory < describe.LeastMemory:
		return cli.UsageError("--memory %v: want at least %v, of which %v are for the program itself", o.memory, quantity.Size(describe.LeastMemory), quantity.Size(describe.ProgramMemory))
	case o.leafMemory < 64<<10 || o.leafMemory > 1<<30:
		return cli.UsageError("--leaf-memory %v: want 64 KiB to 1 GiB", o.leafMemory)
	case o.signatures < 1 || o.signatures > mostSignatures:
		return cli.UsageError("--signature-rate %d: want 1 to %d", o.signatures, mostSignatures)
	case o.maxSize == 0:
		return cli.UsageError("--max-size %v: want at least 1 B", o.maxSize)
	case o.buffer == 0 || o.buffer > 1<<30:
		return cli.UsageError("--receive-buffer %v: want 1 B to 1 GiB", o.buffer)
	}
	var err error
	o.loss, err = cli.ReadLoss("drop", o.drop)
	return cmp.Or(err, o.ChannelOptions.Validate(), o.OutputOptions.Validate(), o.trustOptions.validate(), o.dnsOptions.validate(),
		o.layerOptions.validate(), o.hookOptions.validate(), o.validateSeveral(), o.validateDirectories())
}

// lost returns what --drop asks for, nil if nothing.
func (o *options) lost() func() bool {
	if o.loss.String() == "none" {
		return nil
	}
	return o.loss.Stream(simnet.Key(o.seed)).Lost
}

// agentConfig returns what the flags ask for, without Observe, and the names of the
// files that the trusted keys are from.
func (o *options) agentConfig(seeds []*os.File, stdout io.Writer) (cfg agent.Config, names map[proto.KeyID]string, err error) {
	cfg = agent.Config{
		Channel: o.Channel, Hardware: o.targets, MinSequence: o.minSequence, AllowDowngrade: o.downgrade, OwnSignature: o.ready != "",
		MaxSize: uint64(o.maxSize), LeafMemory: int(o.leafMemory), SignatureRate: o.signatures,
		KeepPending: o.exec != "" || o.ready != "", Install: o.installConfig(), DryRun: o.dryRun, Timeout: o.timeout, Stall: o.stall, Lost: o.lost(), Wait: o.wait,
	}
	if cfg.Wait == 0 { // do not
		cfg.Wait = -1
	}
	for _, f := range seeds {
		cfg.Reuse = append(cfg.Reuse, f)
	}
	if cfg.GroupKeys, err = o.readGroupKeys(); err != nil {
		return cfg, nil, err
	}
	if cfg.Trust, names, err = o.readTrusted(); err != nil {
		return cfg, nil, err
	}
	if cfg.Components, err = cli.ReadComponents(o.components); err != nil {
		return cfg, nil, err
	}
	cfg.Take, cfg.MaxObjects, cfg.MaxTotal = o.take(), o.maxObjects, uint64(o.maxTotal)
	if o.all {
		cfg.Collection = filestore.NewCollection(o.dir, openFiles)
	} else {
		cfg.Target = o.target(stdout)
		o.directories(&cfg)
	}
	var errs [5]error
	cfg.State, errs[0] = o.stateDir()
	errs[1] = o.choose(&cfg)
	cfg.Listen, errs[2] = o.Config(o.buffer)
	cfg.Lookup, errs[3] = o.lookup()
	cfg.Layers, errs[4] = o.layerOptions.config()
	return cfg, names, cmp.Or(errs[:]...)
}

// keeps reports whether an interrupted transfer can be continued.
func (o *options) keeps() bool { return !o.dryRun && o.output != "-" }

func (o *options) target(stdout io.Writer) filestore.Target {
	switch {
	case o.dryRun:
		return filestore.Scratch(nil)
	case o.output == "-":
		return filestore.Scratch(copyTo(stdout))
	case o.dir != "":
		return filestore.Dir(o.dir)
	case o.ready != "":
		return filestore.Objects(o.ready)
	}
	return filestore.File(o.output)
}
