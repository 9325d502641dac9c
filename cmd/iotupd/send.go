// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
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

The file is encoded first. Parity and digests that do not fit into --memory go
to a temporary file in $TMPDIR, or else /var/tmp. With --cache they are kept for
the next time that the same file is sent.`

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
	digest    string
	memory    quantity.Size
	cache     string
	senderOf  string
	start     quantity.Percent
	loops     int
	dryRun    bool
}

func newSendCommand() *cobra.Command {
	opts := sendOptions{rate: sender.DefaultRate, memory: sender.DefaultMemory}
	cmd := &cobra.Command{
		Use:   "send [flags] FILE",
		Short: "send a file",
		Long:  sendHelp,
		Example: `  iotupd send firmware.bin
  iotupd send firmware.bin --rate 200M -i eth1
  iotupd send firmware.bin --sender 1/2     and 2/2 on another machine`,
		Annotations:           map[string]string{exitCodesKey: exitCodeHelp},
		DisableFlagsInUseLine: true,
		Args:                  oneArgument("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSend(cmd.Context(), opts, args[0], stdio{cmd.OutOrStdout(), cmd.ErrOrStderr()})
		},
	}
	opts.addFlags(cmd.Flags())
	completeFlags(cmd, map[string]cobra.CompletionFunc{"profile": oneOf(profiles...), "digest": oneOf(digestChoices...)})
	cmd.MarkFlagDirname("cache")
	completeFlags(cmd, opts.channelOptions.completions())
	completeFlags(cmd, opts.outputOptions.completions())
	return cmd
}

var profiles = []string{fec.Standard.String(), fec.Tiny.String(), fec.Large.String(), fec.Fast.String()}

var digestChoices = []string{"on", "off"}

func (o *sendOptions) addFlags(flags *pflag.FlagSet) {
	flags.VarP(&o.rate, "rate", "r", "bit `rate` of whole IP packets, such as 500k, 20M, 1G")
	flags.StringVar(&o.name, "name", "", "file `name` to tell receivers (default that of FILE)")
	flags.IntVar(&o.loops, "loops", 0, "stop after this `number` of loops (default never)")
	flags.Var(&o.start, "start", "where in the loop to start, 0% to 100%")
	flags.StringVar(&o.senderOf, "sender", "1/1", "be sender `i/n`: number i of n senders of the same file")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "print the plan and send nothing")
	under(flags, "Sending")

	flags.StringVarP(&o.iface, "interface", "i", "", "`name` of the interface to send on (default that of the default route)")
	flags.StringVarP(&o.group, "group", "g", "", "multicast `address` to send to (default derived from --channel)")
	o.channelOptions.addFlags(flags)
	flags.BoolVar(&o.ssm, "source-specific", false, "send to the channel's source-specific group; receivers need --source")
	flags.IntVar(&o.hops, "hop-limit", 1, "`number` of networks that packets may cross")
	flags.IntVar(&o.dscp, "dscp", 0, "`class` of service, 0 to 63")
	under(flags, "Network")

	flags.StringVar(&o.parity, "parity", "auto", "parity in `percent` of the data, 0% to 300%")
	flags.StringVar(&o.profile, "profile", "standard", "`kind` of groups: standard, tiny for receivers with little memory, large for slow lossy links, fast for links above 1 Gbit/s")
	flags.IntVar(&o.shardSize, "shard-size", proto.DefaultShardSize, "payload `bytes` of a packet, a multiple of 64: 1152 fits any network, 1344 an MTU of 1500")
	flags.StringVar(&o.digest, "digest", "on", "`on` for receivers to verify every packet, or off")
	flags.Var(&o.memory, "memory", "parity and digests to keep in memory; what does not fit goes to a temporary file")
	flags.StringVar(&o.cache, "cache", "", "`directory` to keep parity and digests in for the next time (default none)")
	under(flags, "Forward error correction")

	o.outputOptions.addFlags(flags)
}

// runSend sends one file.
func runSend(ctx context.Context, opts sendOptions, path string, std stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := newOutput(opts.outputOptions, std, std.out)
	defer func() { err = out.close(err) }()
	src, err := openSource(path)
	if err != nil {
		return err
	}
	defer src.close()
	m, err := opts.manifest(src)
	if err != nil {
		return err
	}
	geo, err := m.Descriptor.Geometry()
	if err != nil {
		return usageError("%w", err)
	}
	if err := opts.checkTree(geo); err != nil {
		return err
	}
	way, err := opts.way()
	if err == nil {
		err = fits(way, geo.ShardSize)
	}
	v := &sendView{opts: opts, out: out, geo: geo, name: m.Name, way: way}
	if opts.dryRun {
		v.plan(err)
		return nil
	}
	if err != nil {
		return err
	}

	// The socket comes first: what is wrong with the network shows at once, and
	// not after a gigabyte has been encoded.
	conn, err := mcast.Dial(way)
	if err != nil {
		return withCode(exitNetwork, err)
	}
	defer conn.Close()
	o, release, err := v.prepare(ctx, src)
	defer release()
	if err != nil {
		return err
	}
	o.Manifest.Name = m.Name
	s, err := sender.New(opts.senderConfig(way), o)
	if err != nil {
		return usageError("%w", err)
	}
	v.started(o)
	return v.run(ctx, s, sendConn{conn}, src)
}

// prepare encodes the file, or takes what --cache has of it. The object is
// good until release is called, which is never nil.
func (v *sendView) prepare(ctx context.Context, src *sourceFile) (o *sender.Object, release func(), err error) {
	begin := time.Now()
	defer func() { v.prepared = time.Since(begin) }()
	cfg := v.opts.prepareConfig()
	cfg.Progress = v.preparing
	if v.opts.cache != "" {
		if o, release, err = v.prepareCached(ctx, src, cfg); o != nil {
			return o, release, nil
		}
	}
	release = func() {}
	if err != nil {
		return nil, release, err
	}
	cfg.Scratch = func(size int64) (sender.Scratch, error) {
		f, remove, err := newScratch(size)
		if err != nil {
			return nil, err
		}
		release = remove
		return scratchFile{File: f}, nil
	}
	if o, err = sender.Prepare(ctx, src, v.geo.Params, cfg); err == nil {
		err = src.check()
	}
	return o, release, err
}

func (o *sendOptions) prepareConfig() sender.PrepareConfig {
	return sender.PrepareConfig{
		Memory:         max(1, int64(o.memory)), // zero would be the default
		WithoutDigests: o.digest == "off",
	}
}

// run sends until it is stopped.
func (v *sendView) run(ctx context.Context, s *sender.Sender, conn sender.Conn, src *sourceFile) error {
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
	case o.rate < sender.MinRate || o.rate > sender.MaxRate:
		return usageError("--rate %v: want %v to %v", o.rate, quantity.Rate(sender.MinRate), quantity.Rate(sender.MaxRate))
	case o.loops < 0:
		return usageError("--loops %d: want a number that is not negative", o.loops)
	case o.hops < 1 || o.hops > 255:
		return usageError("--hop-limit %d: want 1 to 255", o.hops)
	case o.dscp < 0 || o.dscp > 63:
		return usageError("--dscp %d: want 0 to 63", o.dscp)
	case o.start > quantity.Whole:
		return usageError("--start %v: want 0%% to 100%%", o.start)
	case o.shardSize < proto.MinShardSize || o.shardSize > proto.MaxShardSize || o.shardSize%proto.ShardUnit != 0:
		return usageError("--shard-size %d: want a multiple of %d, from %d to %d",
			o.shardSize, proto.ShardUnit, proto.MinShardSize, proto.MaxShardSize)
	case !slices.Contains(digestChoices, o.digest):
		return usageError("--digest %q: want %s", o.digest, choice(digestChoices))
	case o.cache != "" && o.digest == "off":
		return usageError("--cache needs digests, by which it is verified: leave out --digest off")
	case o.group != "" && o.ssm:
		return usageError("--group and --source-specific exclude each other")
	}
	if o.group != "" {
		if _, err := o.parseGroup(o.group); err != nil {
			return err
		}
	}
	_, _, senderErr := parseSender(o.senderOf)
	_, policyErr := o.policy()
	return cmp.Or(senderErr, policyErr, o.channelOptions.validate(), o.outputOptions.validate())
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
		return p, usageError("--profile %q: want %s", o.profile, choice(profiles))
	}
	p.ShardSize = o.shardSize
	if o.parity == "auto" {
		return p, nil
	}
	parity, err := quantity.ParsePercent(o.parity)
	switch {
	case err != nil:
		return p, usageError("--parity: %w", err)
	case parity > fec.MaxParity:
		return p, usageError("--parity %v: want auto, or 0%% to %v", parity, quantity.Percent(fec.MaxParity))
	case parity == 0:
		p.Parity = -1
	default:
		p.Parity = int(parity)
	}
	return p, nil
}

// manifest describes the file to send as far as that is possible without
// reading it.
func (o *sendOptions) manifest(src *sourceFile) (*proto.Manifest, error) {
	name := o.name
	if name == "" {
		name = filepath.Base(src.path)
	}
	if err := proto.CheckName(name); err != nil {
		return nil, usageError("%w; give it another one by --name", err)
	}
	policy, err := o.policy()
	if err != nil {
		return nil, err
	}
	params, err := policy.Params(uint64(src.size))
	if err != nil {
		return nil, usageError("%s", strings.TrimPrefix(err.Error(), fec.ErrPolicy.Error()+": "))
	}
	m := &proto.Manifest{Name: name, Descriptor: proto.Descriptor{Params: params}}
	if _, err := m.AppendPayload(nil); err != nil {
		return nil, usageError("%w", err)
	}
	return m, nil
}

// checkTree reports shards that are too small for digests of this file.
func (o *sendOptions) checkTree(geo proto.Geometry) error {
	if _, err := geo.Tree(); o.digest == "off" || err == nil {
		return nil
	}
	for s := geo.ShardSize + proto.ShardUnit; s <= proto.MaxShardSize; s += proto.ShardUnit {
		policy, err := o.policy()
		if err != nil {
			return err
		}
		policy.ShardSize = s
		params, err := policy.Params(geo.Size)
		if err != nil {
			continue
		}
		if larger, err := params.Geometry(); err == nil {
			if _, err := larger.Tree(); err == nil {
				return usageError("--shard-size %d is too small for digests of a file of %v: use %d or more, or --digest off",
					geo.ShardSize, quantity.Size(geo.Size), s)
			}
		}
	}
	return usageError("there are no digests for groups of %d+%d shards: use --digest off", geo.K, geo.M)
}

// way chooses interface, family and group.
func (o *sendOptions) way() (cfg mcast.SendConfig, err error) {
	cfg = mcast.SendConfig{Port: o.port, HopLimit: o.hops, DSCP: o.dscp}
	if o.iface != "" {
		cfg.Interface, err = mcast.InterfaceByName(o.iface)
	} else {
		cfg.Interface, err = mcast.DefaultInterface()
	}
	if err != nil {
		return cfg, withCode(exitNetwork, err)
	}
	if o.group != "" {
		cfg.Group, err = o.parseGroup(o.group)
		return cfg, err
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
	case ifi.Loopback:
		return cfg, withCode(exitNetwork, errLoopback6)
	default:
		return cfg, withCode(exitNetwork, fmt.Errorf("interface %s has no address of the family asked for", ifi.Name))
	}
	return cfg, nil
}

// fits reports shards whose packets are too large for the interface, before
// they are encoded.
func fits(way mcast.SendConfig, shardSize int) error {
	ifi, datagram := way.Interface, proto.HeaderLen+shardSize
	limit := ifi.MTU - overhead(way)
	if ifi.MTU <= 0 || datagram <= limit { // unknown, or it fits
		return nil
	}
	return withCode(exitNetwork, &mcast.TooBigError{Interface: ifi.Name, MTU: ifi.MTU, Datagram: datagram, Max: limit})
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
