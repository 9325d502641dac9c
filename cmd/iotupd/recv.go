// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"path"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/internal/simnet"
	"iotupd/proto"
	"iotupd/receiver"
)

const recvHelp = `Receive one file that somebody sends on the channel, and exit when it is whole.

The file is received into a hidden file beside the target, checked by its
SHA-256 as it is read back from the disk, and only then renamed over an old one.
Packets of any number of senders of the same file count together.

` + exitCodeHelp

type recvOptions struct {
	channelOptions
	outputOptions
	output     string
	dir        string
	dryRun     bool
	interfaces []string
	groups     []string
	sources    []string
	buffer     quantity.Size

	object  string
	name    string
	maxSize quantity.Size
	memory  quantity.Size

	timeout time.Duration
	stall   time.Duration
	drop    string
	seed    uint64
}

func newRecvCommand() *cobra.Command {
	opts := recvOptions{maxSize: receiver.DefaultMaxSize, memory: receiver.DefaultMemory}
	cmd := &cobra.Command{
		Use:   "recv (-o FILE | -d DIR) [flags]",
		Short: "receive a file",
		Long:  recvHelp,
		Example: `  iotupd recv -o firmware.bin
  iotupd recv -d /var/lib/fw --name 'fw-*.bin' --timeout 1m
  iotupd recv -o - | tar x`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRecv(cmd.Context(), opts, stdio{cmd.OutOrStdout(), cmd.ErrOrStderr()})
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *recvOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "`file` to write or replace; - for stdout, verified bytes only")
	flags.StringVarP(&o.dir, "dir", "d", "", "`directory` to write to, under the name that was sent")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "receive and verify, but write no target")
	flags.StringSliceVarP(&o.interfaces, "interface", "i", nil, "`name` of an interface to listen on (repeatable; default: every suitable one)")
	flags.StringSliceVarP(&o.groups, "group", "g", nil, "multicast `address` to join (repeatable; default: derived from --channel)")
	flags.StringSliceVar(&o.sources, "source", nil, "`address` of a sender, for source-specific multicast (repeatable)")
	flags.Var(&o.buffer, "receive-buffer", "socket receive buffer to ask for (default 32Mi, or what the system allows)")
	flags.StringVar(&o.object, "object", "", "receive only the object with this `id`")
	flags.StringVar(&o.name, "name", "", "receive only a file whose sent name matches this `glob`")
	flags.Var(&o.maxSize, "max-size", "refuse larger files")
	flags.Var(&o.memory, "memory", "memory for decoding, beside the code's tables and the index")
	flags.DurationVar(&o.timeout, "timeout", 0, "give up if nothing is heard for so long at the start (0: never)")
	flags.DurationVar(&o.stall, "stall", 0, "give up if the stream is silent for so long (0: never)")
	flags.StringVar(&o.drop, "drop", "none", "simulate loss, for tests: `none|bernoulli:P`")
	flags.Uint64Var(&o.seed, "seed", 1, "of the simulated loss")
	o.channelOptions.addFlags(flags)
	o.outputOptions.addFlags(flags)
}

// runRecv receives one file.
func runRecv(ctx context.Context, opts recvOptions, std stdio) error {
	if err := opts.validate(); err != nil {
		return err
	}
	cfg, err := opts.receiverConfig()
	if err != nil {
		return err
	}
	loss, err := simnet.ParseLoss(opts.drop)
	if err != nil {
		return usageError("--drop: %w", err)
	}
	events := std.out
	if opts.output == "-" {
		events = std.err
	}
	out, err := newOutput(opts.outputOptions, events, std.err)
	if err != nil {
		return err
	}
	defer out.close()
	t, err := opts.target(std.out)
	if err != nil {
		return err
	}
	defer t.close()
	listenConfig, err := opts.listenConfig()
	if err != nil {
		return err
	}
	listenConfig.Logger = out.logger()
	l, err := mcast.Listen(listenConfig)
	if err != nil {
		return withCode(exitNetwork, err)
	}
	defer l.Close()

	v := newRecvView(opts, out, l, listenConfig)
	run := receiver.RunOptions{Report: v.report}
	if loss.String() != "none" {
		run.Lost = loss.Stream(simnet.Key{Seed: opts.seed}).Lost
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	v.certified = func(m *proto.Manifest) {
		go func() {
			if t.has(m) {
				cancel(errHaveIt)
			}
		}()
	}
	cfg.Open, cfg.Observe = t.open, v.observe
	r, err := receiver.New(cfg)
	if err != nil {
		return err
	}
	v.listening()
	err = receiver.Run(ctx, r, receiverConns(l), run)
	if errors.Is(err, errHaveIt) {
		v.haveIt(r.Manifest())
		return nil
	}
	if err != nil {
		return v.failure(err)
	}
	path, err := t.commit(r.Manifest())
	if err != nil {
		return err
	}
	v.done(path, r.Manifest())
	return nil
}

// errHaveIt ends a transfer whose file is there already.
var errHaveIt = errors.New("the file is there already")

func (o *recvOptions) validate() error {
	switch {
	case o.output != "" && o.dir != "":
		return usageError("--output and --dir exclude each other")
	case o.output == "" && o.dir == "" && !o.dryRun:
		return usageError("say where to put the file: -o FILE, or -d DIR to keep the sent name")
	case o.timeout < 0 || o.stall < 0:
		return usageError("--timeout and --stall want a time that is not negative")
	case o.memory < 1<<20:
		return usageError("--memory %v is too small; at least 1Mi", o.memory)
	case o.maxSize < 0 || o.buffer < 0:
		return usageError("--max-size and --receive-buffer want a size that is not negative")
	}
	return o.channelOptions.validate()
}

func (o *recvOptions) receiverConfig() (cfg receiver.Config, err error) {
	cfg = receiver.Config{MaxSize: uint64(o.maxSize), Memory: int(o.memory)}
	if o.object != "" {
		if cfg.Object, err = proto.ParseObjectID(o.object); err != nil {
			return cfg, usageError("--object: %w", err)
		}
	}
	if _, err := path.Match(o.name, ""); err != nil {
		return cfg, usageError("--name %q: %w", o.name, err)
	}
	if o.name != "" || o.dir != "" {
		cfg.Name = func(name string) bool {
			ok, _ := path.Match(o.name, name)
			return name != "" && (ok || o.name == "")
		}
	}
	return cfg, nil
}

func (o *recvOptions) target(stdout io.Writer) (target, error) {
	switch {
	case o.dryRun:
		return &scratchTarget{}, nil
	case o.output == "-":
		if isTerminal(stdout) {
			return nil, usageError("-o - would print the file on the terminal; redirect or pipe it")
		}
		return &scratchTarget{use: func(verified io.Reader) error {
			_, err := io.Copy(stdout, verified)
			return err
		}}, nil
	case o.dir != "":
		return newDirTarget(o.dir)
	}
	return newFileTarget(o.output)
}

func (o *recvOptions) listenConfig() (cfg mcast.ListenConfig, err error) {
	cfg = mcast.ListenConfig{Port: o.port, Interfaces: o.interfaces, ReceiveBuffer: int(o.buffer)}
	for _, s := range o.sources {
		a, err := netip.ParseAddr(s)
		if err != nil || a.IsMulticast() || a.IsUnspecified() {
			return cfg, usageError("--source %q is not the IP address of a host", s)
		}
		cfg.Sources = append(cfg.Sources, a)
	}
	cfg.Groups, err = o.groupAddresses(o.groups, cfg.Sources)
	for _, name := range o.interfaces {
		if _, e := mcast.InterfaceByName(name); e != nil && err == nil {
			err = withCode(exitNetwork, e)
		}
	}
	return cfg, err
}

// displayName is what to call a file for a person.
func displayName(m *proto.Manifest, path string) string {
	switch {
	case path != "" && path != "-":
		return path
	case m != nil && m.Name != "":
		return m.Name
	}
	return "(no name)"
}
