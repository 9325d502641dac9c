// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"iotupd/fec"
	"iotupd/internal/clock"
	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

const sendHelp = `Send a file for ever, until stopped: its data, then Reed-Solomon parity, then
again. Any number of receivers may listen, and may start at any moment.

The file is encoded first. Parity that does not fit into --memory goes to a
temporary file in $TMPDIR, or else /var/tmp.

` + exitCodeHelp

type sendOptions struct {
	channelOptions
	outputOptions
	rate      quantity.Rate
	iface     string
	group     string
	ssm       bool
	hops      int
	dscp      int
	name      string
	parity    string
	profile   string
	shardSize int
	memory    quantity.Size
	senderOf  string
	start     quantity.Percent
	loops     int
	dryRun    bool
}

func newSendCommand() *cobra.Command {
	opts := sendOptions{rate: sender.DefaultRate, memory: sender.DefaultMemory}
	cmd := &cobra.Command{
		Use:   "send FILE [flags]",
		Short: "send a file",
		Long:  sendHelp,
		Example: `  iotupd send firmware.bin
  iotupd send firmware.bin --rate 200M -i eth1
  iotupd send firmware.bin --sender 1/2     and 2/2 on another machine`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSend(cmd.Context(), opts, args[0], stdio{cmd.OutOrStdout(), cmd.ErrOrStderr()})
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// stdio is where a command writes.
type stdio struct{ out, err io.Writer }

func (o *sendOptions) addFlags(flags *pflag.FlagSet) {
	flags.VarP(&o.rate, "rate", "r", "bit rate of whole IP packets, such as 500k, 20M, 1G")
	flags.StringVarP(&o.iface, "interface", "i", "", "`name` of the interface to send on (default: that of the default route)")
	flags.StringVarP(&o.group, "group", "g", "", "multicast `address` to send to (default: derived from --channel)")
	flags.BoolVar(&o.ssm, "source-specific", false, "send to the channel's source-specific group; receivers need --source")
	flags.IntVar(&o.hops, "hop-limit", 1, "`number` of networks that packets may cross")
	flags.IntVar(&o.dscp, "dscp", 0, "class of service, 0 to 63")
	flags.StringVar(&o.name, "name", "", "file `name` to tell receivers (default: that of FILE)")
	flags.StringVar(&o.parity, "parity", "auto", "parity, in `percent` of the data: 0% to 300%")
	flags.StringVar(&o.profile, "profile", "standard", "`standard|tiny|large|fast`: group size; tiny for receivers with little memory")
	flags.IntVar(&o.shardSize, "shard-size", proto.DefaultShardSize, "`bytes` of payload in a packet: 1152 fits any network, 1344 an MTU of 1500")
	flags.Var(&o.memory, "memory", "parity to keep in memory; more goes to a temporary file")
	flags.StringVar(&o.senderOf, "sender", "1/1", "`i/n`: this is number i of n senders of the same file")
	flags.Var(&o.start, "start", "where in the loop to start, 0% to 100%")
	flags.IntVar(&o.loops, "loops", 0, "stop after so many loops (0: never)")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "print the plan and send nothing")
	o.channelOptions.addFlags(flags)
	o.outputOptions.addFlags(flags)
}

// runSend sends one file.
func runSend(ctx context.Context, opts sendOptions, path string, std stdio) error {
	if err := opts.validate(); err != nil {
		return err
	}
	policy, err := opts.policy()
	if err != nil {
		return err
	}
	out, err := newOutput(opts.outputOptions, std.out, std.err)
	if err != nil {
		return err
	}
	defer out.close()
	src, err := openSource(path)
	if err != nil {
		return err
	}
	defer src.close()
	name, err := opts.sentName(path)
	if err != nil {
		return err
	}
	params, err := policy.Params(uint64(src.size))
	if err != nil {
		return usageError("%w", err)
	}
	geo, err := params.Geometry()
	if err != nil {
		return usageError("%w", err)
	}
	way, err := opts.way()
	if err != nil && !opts.dryRun {
		return err
	}
	v := &sendView{opts: opts, out: out, geo: geo, name: name, way: way}
	if opts.dryRun {
		v.plan(err)
		return nil
	}

	// The socket comes first: what is wrong with the network shows at once, and
	// not after a gigabyte has been encoded.
	conn, err := mcast.Dial(way)
	if err != nil {
		return withCode(exitNetwork, err)
	}
	defer conn.Close()
	o, removeScratch, err := v.prepare(ctx, src)
	defer removeScratch()
	if err != nil {
		return err
	}
	o.Manifest.Name = name
	s, err := sender.New(opts.senderConfig(way), o)
	if err != nil {
		return usageError("%w", err)
	}
	v.started(o)
	return v.run(ctx, s, conn, src)
}

// prepare encodes the file.
func (v *sendView) prepare(ctx context.Context, src *sourceFile) (o *sender.Object, removeScratch func(), err error) {
	removeScratch = func() {}
	o, err = sender.Prepare(ctx, src, v.geo.Params, sender.PrepareConfig{
		Memory:   int64(v.opts.memory),
		Progress: v.preparing,
		Scratch: func(size int64) (sender.Scratch, error) {
			f, remove, err := newScratch(size)
			if err == nil {
				removeScratch = remove
			}
			return f, err
		},
	})
	if err == nil {
		err = src.check()
	}
	return o, removeScratch, err
}

// run sends until it is stopped.
func (v *sendView) run(ctx context.Context, s *sender.Sender, conn *mcast.Conn, src *sourceFile) error {
	defer clock.Claim()()
	v.begin = time.Now()
	checked := v.begin
	err := sender.Run(ctx, s, conn, sender.RunOptions{
		Sleep: clock.Sleep,
		Log:   v.out.logger(),
		Report: func(now time.Time, p sender.Progress) error {
			v.progress(now, p)
			if now.Sub(checked) < time.Second {
				return nil
			}
			checked = now
			return src.check()
		},
	})
	v.stopped(s.Progress())
	if err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (o *sendOptions) validate() error {
	switch {
	case o.loops < 0:
		return usageError("--loops %d: want a number that is not negative", o.loops)
	case o.memory < 0:
		return usageError("--memory %v: want a size that is not negative", o.memory)
	case o.hops < 1 || o.hops > 255:
		return usageError("--hop-limit %d: want 1 to 255", o.hops)
	case o.dscp < 0 || o.dscp > 63:
		return usageError("--dscp %d: want 0 to 63", o.dscp)
	case o.start < 0 || o.start > 10000:
		return usageError("--start %v: want 0%% to 100%%", o.start)
	case o.group != "" && o.ssm:
		return usageError("--group and --source-specific exclude each other")
	}
	if _, _, err := parseSender(o.senderOf); err != nil {
		return err
	}
	return o.channelOptions.validate()
}

// parseSender reads i/n.
func parseSender(s string) (i, n int, err error) {
	first, second, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	if !ok || errors.Join(err1, err2) != nil || n < 1 || n > sender.MaxSenders || i < 1 || i > n {
		return 0, 0, usageError("--sender %q: want i/n, such as 1/2, with n up to %d", s, sender.MaxSenders)
	}
	return i, n, nil
}

func (o *sendOptions) policy() (p fec.Policy, err error) {
	if p.Profile, err = fec.ParseProfile(o.profile); err != nil {
		return p, usageError("--profile: %w", err)
	}
	p.ShardSize = o.shardSize
	if o.parity != "auto" {
		percent, err := quantity.ParsePercent(o.parity)
		if err != nil {
			return p, usageError("--parity: %w", err)
		}
		if p.Parity = int(percent); p.Parity <= 0 {
			p.Parity = -1
		}
	}
	return p, nil
}

// sentName is the file name that receivers are told.
func (o *sendOptions) sentName(path string) (string, error) {
	name := o.name
	if name == "" {
		name = filepath.Base(path)
	}
	if err := proto.CheckName(name); err != nil {
		return "", usageError("%w; give it another one by --name", err)
	}
	return name, nil
}

// way chooses interface, family and group.
func (o *sendOptions) way() (cfg mcast.SendConfig, err error) {
	cfg = mcast.SendConfig{Port: o.port, HopLimit: o.hops, DSCP: o.dscp}
	if o.iface != "" {
		cfg.Interface, err = mcast.InterfaceByName(o.iface)
	} else {
		cfg.Interface, err = mcast.DefaultInterface()
	}
	if o.group != "" {
		var e error
		if cfg.Group, e = parseGroup(o.group); e != nil {
			return cfg, e
		}
		if !o.allows(cfg.Group) {
			return cfg, usageError("--group %v is not of the family that -4 or -6 asks for", cfg.Group)
		}
	}
	if err != nil {
		return cfg, withCode(exitNetwork, err)
	}
	if o.group != "" {
		return cfg, nil
	}
	groups := proto.ChannelGroups(o.channel)
	v6, v4 := groups.IPv6, groups.IPv4
	if o.ssm {
		v6, v4 = groups.IPv6Source, groups.IPv4Source
	}
	switch ifi := cfg.Interface; {
	case ifi.IPv6 && !o.only4:
		cfg.Group = v6
	case ifi.IPv4 && !o.only6:
		cfg.Group = v4
	default:
		return cfg, withCode(exitNetwork, fmt.Errorf("interface %s has no address of the family asked for%s", ifi.Name, loopbackHint(ifi)))
	}
	return cfg, nil
}

func loopbackHint(ifi mcast.Interface) string {
	if ifi.Loopback {
		return "; IPv6 multicast is never delivered on loopback, use -4"
	}
	return ""
}

func (o *sendOptions) senderConfig(way mcast.SendConfig) sender.Config {
	i, n, _ := parseSender(o.senderOf) // validated
	return sender.Config{
		Rate: int64(o.rate), Overhead: overhead(way),
		Sender: i, Senders: n, Start: int(o.start), Loops: o.loops,
	}
}

// overhead is what IP and UDP add to each datagram.
func overhead(way mcast.SendConfig) int {
	if way.Group.Is4() {
		return sender.IPv4Overhead
	}
	return sender.IPv6Overhead
}
