// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
)

const recvHelp = `Receive one file that somebody sends on the channel, and exit when it is whole.

The file is received into a hidden file beside the target, checked by its
SHA-256 as it is read back from the disk, and only then renamed over an old one,
whose mode it keeps, and whose owner and group as far as the system allows it.
Packets of any number of senders of the same file count together. If a transfer
is interrupted, the hidden file stays, and the next run continues from it.

With -o - and -n it is received into a temporary file, in $TMPDIR or else
/var/tmp. Anywhere, hashes take some 8 % of the size of the file until it is
done, those of a small file up to 12 %. If the reader of -o - goes away, recv
ends with exit code 141, that of SIGPIPE; readers of events and messages may go.

With --trust, only what one of these keys has signed is received, and nothing
older than what was installed before. The command of --exec runs once for a new
file, and not for one that was there already. If it fails or is cut off, the
next run of recv that hears the file runs it again, until it succeeds. It finds
the path in IOTUPD_FILE, and more in IOTUPD_FILE_NAME, _SIZE, _SHA256, _OBJECT,
_CHANNEL and _VERIFIED (true or false); of a signed file also in _SIGNED_BY,
_SEQUENCE, _VERSION and _METADATA (in base64).

With dns:NAME, the senders are those that DNS names for that channel, as send
--print-dns prints it. What DNS says is not trusted with more than that.`

type recvOptions struct {
	listen.Options
	cli.OutputOptions
	trustOptions
	layerOptions
	hookOptions
	dnsOptions
	output string
	dir    string
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

	timeout time.Duration
	stall   time.Duration
	drop    string
	loss    simnet.Loss // that drop names
	seed    cli.LossSeed
	record  string
}

func newRecvCommand() *cobra.Command {
	opts := recvOptions{
		buffer: 32 << 20, maxSize: receiver.DefaultMaxSize, memory: receiver.DefaultMemory, leafMemory: receiver.DefaultLeafMemory,
		signatures: receiver.DefaultSignatureRate, seed: cli.LossSeed{Seed: 1},
	}
	cmd := &cobra.Command{
		Use:   "recv [dns:NAME] (-o FILE | -d DIR) [flags]",
		Short: "receive a file",
		Long:  recvHelp,
		Example: `  iotupd recv -o firmware.bin
  iotupd recv -d /var/lib/fw --name 'fw-*.bin' --timeout 1m
  iotupd recv -o firmware.raucb --trust release.pub --exec 'rauc install {}'
  iotupd recv --follow -d /var/lib/fw --trust release.pub --exec ./install
  iotupd recv -o - | tar x
  iotupd recv dns:fw.example.net -o firmware.bin`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
		DisableFlagsInUseLine: true,
		Args:                  atMostOneChannel,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(giveWay(cmd.Flags()), opts.find(cmd.Flags(), args)); err != nil {
				return err
			}
			return runRecv(cmd.Context(), opts, cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cmd.MarkFlagDirname("dir")
	cli.CompleteFlags(cmd, opts.ChannelOptions.Completions())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	return cmd
}

func (o *recvOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "`file` to write or replace; - for stdout, verified bytes only")
	flags.StringVarP(&o.dir, "dir", "d", "", "`directory` to write to, under the name sent")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "receive and verify, but write no target")
	flags.StringSliceVar(&o.reuse, "reuse", nil, "older version of the `file`, repeatable: what it has at the same place is not received again")
	o.hookOptions.addFlags(flags)
	cli.Under(flags, "Target")

	flags.StringVar(&o.name, "name", "", "only a file whose sent name matches this `glob`")
	flags.StringVar(&o.object, "object", "", "only the object with this `id`")
	flags.StringVar(&o.sha256, "sha256", "", "only the file with this SHA-256, in `hex`adecimal")
	flags.Var(&o.maxSize, "max-size", "refuse larger files")
	flags.DurationVar(&o.timeout, "timeout", 0, "give up if nothing is heard for this `time` at the start (default never)")
	flags.DurationVar(&o.stall, "stall", 0, "give up if the stream, once it began, is silent for this `time`; for one that never begins see --timeout (default never)")
	flags.BoolVar(&o.follow, "follow", false, "go on for ever, and receive every newer release; needs --trust")
	cli.Under(flags, "What to receive")

	o.trustOptions.addFlags(flags)

	o.Options.AddFlags(flags)
	o.dnsOptions.addFlags(flags)
	o.layerOptions.addFlags(flags)
	flags.Var(&o.buffer, "receive-buffer", "socket buffer to ask for; the system may grant less")
	cli.Under(flags, "Network")

	flags.Var(&o.memory, "memory", "buffers for decoding; tables and index come extra")
	flags.Var(&o.leafMemory, "leaf-memory", "hashes of shards to keep in memory; the others are read from the disk")
	flags.IntVar(&o.signatures, "signature-rate", o.signatures, "verify at most `n` signatures in a second")
	flags.StringVar(&o.record, "record", "", "write to this `file` which packets were lost on the way, for bench")
	flags.StringVar(&o.drop, "drop", "none", "lose packets on purpose, for tests: `model` bernoulli:5%, gilbert:10%,burst=5, trace:FILE or another one of bench")
	flags.Var(&o.seed, "seed", "`number` that makes the losses of --drop repeatable")
	cli.Under(flags, "Other")

	o.OutputOptions.AddFlags(flags)
}

// tightHeap is how much garbage, in percent of what is in use, a receiver lets
// pile up. Its memory is few large buffers without pointers, which cost the
// collector nothing to visit; at the runtime's 100 they would count twice.
const tightHeap = 15

// runRecv receives one file, or with --follow one after the other.
func runRecv(ctx context.Context, opts recvOptions, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	defer surviveReaders()()
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(tightHeap))
	}
	in, err := opts.openInputs()
	if err != nil {
		return err
	}
	defer in.close()
	cfg, err := opts.receiverConfig(in)
	if err != nil {
		return err
	}
	listenConfig, err := opts.Config(opts.buffer)
	if err != nil {
		return err
	}
	events := std.Out
	if opts.output == "-" {
		events = std.Err
	}
	out := cli.NewOutput(opts.OutputOptions, std, events)
	defer func() { err = out.Close(err) }()
	out.WarnExposed(opts.groupKeys...)
	t, err := opts.target(std.Out)
	if err != nil {
		return err
	}
	defer t.Close()
	var rec *recording
	if opts.record != "" {
		if rec, err = newRecording(opts.record); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, rec.close(out)) }()
	}
	listenConfig.Logger = out.Logger()
	for first := true; ; first = false {
		l, err := opts.hear(listenConfig, out)
		if err != nil {
			return err
		}
		v := newRecvView(opts, out, l)
		v.recording = rec
		v.trust, v.later = in.trust, !first
		if first {
			v.listening()
		}
		err = v.receive(ctx, t, cfg)
		l.Close()
		if err != nil || !opts.follow {
			return err
		}
		in.trust.onlyNewer(v.manifest)
	}
}

// surviveReaders makes a write to a pipe that nobody reads any more an error, and
// not the end of the process: who reads the events is no reason to stop. Programs
// that are started meanwhile have the signal as usual. It returns what undoes it.
func surviveReaders() (undo func()) {
	ch := make(chan os.Signal, 1) // from which nothing is read
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}

// receive runs the transfer.
func (v *recvView) receive(ctx context.Context, t filestore.Target, cfg receiver.Config) error {
	transfer, cancel := context.WithCancelCause(ctx)
	var checks checks
	defer checks.stop()
	defer cancel(nil)
	v.certified = func(m *proto.Manifest, signers []proto.PublicKey) {
		checks.start(transfer, func(ctx context.Context) {
			path, err := t.Has(ctx, m)
			if path != "" {
				err = &haveItError{path, m, signers}
			}
			if err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	v.dropped = checks.stop
	cfg.Open, cfg.Observe = t.Open, v.observe
	r, err := receiver.New(cfg)
	if err != nil {
		return err
	}
	v.core = r
	err = receiver.Run(transfer, r, v.listener.Conns(), v.runOptions(r))
	if err == nil || errors.As(err, new(*receiver.StoreError)) {
		// What is there already needs no room on the disk, and is not new.
		checks.wait()
		err = cmp.Or(context.Cause(transfer), err)
	}
	return v.finish(ctx, t, err)
}

// finish makes what was received the file, or explains err, by which the
// transfer ended.
func (v *recvView) finish(ctx context.Context, t filestore.Target, err error) error {
	var have *haveItError
	if errors.As(err, &have) {
		t.Discard()
		if err := v.trust.installed(have.manifest, have.signers); err != nil {
			return err
		}
		done := v.haveIt(have.path, have.manifest)
		if note := v.note(t, have.manifest); note.Pending() {
			v.out.Decision("the command of --exec has not succeeded for this file yet")
			return v.runHook(ctx, note, done, have.manifest)
		}
		return nil
	}
	if err != nil {
		v.cleanUp(t, cli.ExitCode(err))
		return v.failure(err)
	}
	m := v.core.Manifest()
	note := v.note(t, m)
	if err := note.Write(); err != nil {
		return err
	}
	path, err := t.Commit(ctx, m)
	if err == nil && !v.opts.dryRun {
		err = v.trust.installed(m, v.signers)
	}
	if err != nil {
		return v.failure(err)
	}
	return v.runHook(ctx, note, v.done(path, m), m)
}

// cleanUp removes what no later run should continue from. What is not to be
// received is the same as an object that was given up.
func (v *recvView) cleanUp(t filestore.Target, code int) {
	store := v.core.Store()
	switch {
	case code == cli.ExitIntegrity:
		t.Discard()
	case store != nil && (code == cli.ExitAuthenticity || code == cli.ExitPolicy):
		store.Discard()
	}
}

// A haveItError ends a transfer whose file is there already.
type haveItError struct {
	path     string
	manifest *proto.Manifest
	signers  []proto.PublicKey
}

func (e *haveItError) Error() string { return e.path + " has the content already" }

func (o *recvOptions) validate() error {
	switch {
	case o.output != "" && o.dir != "":
		return cli.UsageError("--output and --dir exclude each other")
	case o.output == "" && o.dir == "" && !o.dryRun:
		return cli.UsageError("say where to put the file: -o FILE, or -d DIR to keep the sent name")
	case o.exec != "" && !o.keeps():
		return cli.UsageError("--exec needs a file that stays: -o FILE or -d DIR, and no --dry-run")
	case o.follow && (len(o.trust) == 0 || !o.keeps()):
		return cli.UsageError("--follow needs --trust, which tells what is newer, and -o FILE or -d DIR")
	case o.follow && o.timeout > 0:
		return cli.UsageError("--follow waits for ever: --timeout does not go with it")
	case o.timeout < 0:
		return cli.UsageError("--timeout %v: want a time that is not negative", o.timeout)
	case o.stall < 0:
		return cli.UsageError("--stall %v: want a time that is not negative", o.stall)
	case o.memory < 1<<20:
		return cli.UsageError("--memory %v: want at least 1 MiB", o.memory)
	case o.leafMemory < 64<<10 || o.leafMemory > 1<<30:
		return cli.UsageError("--leaf-memory %v: want 64 KiB to 1 GiB", o.leafMemory)
	case o.signatures < 1:
		return cli.UsageError("--signature-rate %d: want at least 1", o.signatures)
	case o.maxSize == 0:
		return cli.UsageError("--max-size %v: want at least 1 B", o.maxSize)
	case o.buffer == 0 || o.buffer > 1<<30:
		return cli.UsageError("--receive-buffer %v: want 1 B to 1 GiB", o.buffer)
	}
	var err error
	o.loss, err = cli.ReadLoss("drop", o.drop)
	return cmp.Or(err, o.ChannelOptions.Validate(), o.OutputOptions.Validate(), o.trustOptions.validate(), o.dnsOptions.validate(),
		o.layerOptions.validate(), o.hookOptions.validate())
}

// lost returns what --drop asks for, nil if nothing.
func (o *recvOptions) lost() func() bool {
	if o.loss.String() == "none" {
		return nil
	}
	return o.loss.Stream(simnet.Key(o.seed)).Lost
}

func (o *recvOptions) receiverConfig(in *recvInputs) (cfg receiver.Config, err error) {
	cfg = receiver.Config{
		MaxSize: uint64(o.maxSize), Memory: int(o.memory), LeafMemory: int(o.leafMemory),
		SignatureRate: o.signatures, GroupKeys: in.groups,
	}
	if in.trust != nil {
		cfg.Trust = &in.trust.policy
	}
	for _, f := range in.seeds {
		cfg.Seeds = append(cfg.Seeds, f)
	}
	if o.object != "" {
		if cfg.Object, err = proto.ParseObjectID(o.object); err != nil {
			return cfg, cli.UsageError("--object: %w", err)
		}
	}
	if o.sha256 != "" {
		sum, err := hex.DecodeString(o.sha256)
		if err != nil || len(sum) != len(cfg.SHA256) {
			return cfg, cli.UsageError("--sha256 %q is not 64 hexadecimal digits", o.sha256)
		}
		cfg.SHA256 = [32]byte(sum)
		if cfg.SHA256 == [32]byte{} { // would mean any
			return cfg, cli.UsageError("--sha256: no file is known whose SHA-256 is zero")
		}
	}
	if _, err := path.Match(o.name, ""); err != nil {
		return cfg, cli.UsageError("--name %q: not a pattern, such as 'fw-*.bin'", o.name)
	}
	if o.name != "" || o.dir != "" {
		cfg.Name = func(name string) bool {
			ok, _ := path.Match(o.name, name)
			return name != "" && (ok || o.name == "")
		}
	}
	return cfg, nil
}

// keeps reports whether an interrupted transfer can be continued.
func (o *recvOptions) keeps() bool { return !o.dryRun && o.output != "-" }

func (o *recvOptions) target(stdout io.Writer) (filestore.Target, error) {
	switch {
	case o.dryRun:
		return filestore.Scratch(nil), nil
	case o.output == "-":
		if cli.IsTerminal(stdout) {
			return nil, cli.UsageError("-o - would print the file on the terminal; redirect or pipe it")
		}
		return filestore.Scratch(copyTo(stdout)), nil
	case o.dir != "":
		t := filestore.Dir(o.dir)
		return t, t.Prepare()
	}
	t := filestore.File(o.output)
	return t, outputError(t.Prepare())
}

// outputError says what to do about a path that --output cannot write to.
func outputError(err error) error {
	var target *filestore.TargetError
	switch {
	case !errors.As(err, &target):
		return err
	case errors.Is(err, filestore.ErrNamesDirectory), errors.Is(err, filestore.ErrIsDirectory):
		return cli.UsageError("--output %s %w; use --dir to keep the sent name in it", target.Path, target.Err)
	case errors.Is(err, filestore.ErrNotRegular), errors.Is(err, filestore.ErrDanglingLink):
		return cli.UsageError("--output %s %w", target.Path, target.Err)
	}
	return fmt.Errorf("--output %w", err)
}
