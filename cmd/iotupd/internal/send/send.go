// SPDX-License-Identifier: GPL-2.0-or-later

// Package send holds the command send.
package send

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/encode"
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
	cli.ChannelOptions
	cli.OutputOptions
	encode.Options
	rate     quantity.Rate
	iface    string
	group    string
	ssm      bool
	listened bool
	hops     int
	dscp     serviceClass
	name     string
	from     string          // manifest file
	signed   *proto.Manifest // in it; nil: none
	groupKey string
	senderOf string
	start    quantity.Percent
	loops    int
	layers   int
	dryRun   bool
	printDNS string
}

func NewCommand() *cobra.Command {
	opts := sendOptions{rate: sender.DefaultRate}
	cmd := &cobra.Command{
		Use:   "send [flags] FILE",
		Short: "send a file",
		Long:  sendHelp,
		Example: `  iotupd send firmware.bin
  iotupd send firmware.bin --rate 200M -i eth1
  iotupd send firmware.bin --sender 1/2     and 2/2 on another machine
  iotupd send firmware.bin --manifest firmware.bin.iotupd -k group.key`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
		DisableFlagsInUseLine: true,
		Args:                  opts.arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.takeManifest(cmd.Flags()); err != nil {
				return err
			}
			if opts.printDNS != "" {
				return opts.printZone(cmd.OutOrStdout())
			}
			return runSend(cmd.Context(), opts, args[0], cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cli.CompleteFlags(cmd, opts.Options.Completions())
	cli.CompleteFlags(cmd, opts.ChannelOptions.Completions())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"dscp": cli.OneOf(classNames()...)})
	return cmd
}

func (o *sendOptions) addFlags(flags *pflag.FlagSet) {
	flags.VarP(&o.rate, "rate", "r", "bit `rate` of whole IP packets, such as 500k, 20M, 1G")
	flags.IntVar(&o.layers, "layers", 1, "send this `number` of streams, of which each but the first doubles the rate; each receiver takes as many as its path carries, and --rate is that of the first")
	flags.StringVar(&o.name, "name", "", "file `name` to tell receivers (default that of FILE)")
	flags.StringVar(&o.from, "manifest", "", "manifest `file` that iotupd sign made of FILE; it also says name, channel and encoding")
	flags.StringVarP(&o.groupKey, "group-key", "k", "", "key `file` of a group: encrypt for those who have it")
	flags.IntVar(&o.loops, "loops", 0, "stop after this `number` of loops (default never)")
	flags.Var(&o.start, "start", "where in the loop to start, 0% to 100%")
	flags.StringVar(&o.senderOf, "sender", "1/1", "be sender `i/n`: number i of n senders of the same file")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "print the plan and send nothing")
	cli.Under(flags, "Sending")

	flags.StringVarP(&o.iface, "interface", "i", "", "`name` of the interface to send on (default that of the default route)")
	flags.StringVarP(&o.group, "group", "g", "", "multicast `address` to send to (default derived from --channel)")
	o.ChannelOptions.AddFlags(flags)
	flags.BoolVar(&o.ssm, "source-specific", false, "send to the channel's source-specific group; receivers need --source")
	flags.BoolVar(&o.listened, "when-listened", false, "send only while somebody on this network listens (Linux, with CAP_NET_RAW)")
	flags.StringVar(&o.printDNS, "print-dns", "", "print the records by which recv dns:`NAME` finds a sender with these flags, and send nothing")
	flags.IntVar(&o.hops, "hop-limit", 1, "`number` of networks that packets may cross")
	flags.Var(&o.dscp, "dscp", "`class` of service: 0 to 63, or its name: EF, AF11 to AF43, CS0 to CS7, LE")
	cli.Under(flags, "Network")

	o.Options.AddFlags(flags)
	o.OutputOptions.AddFlags(flags)
}

// runSend sends one file.
func runSend(ctx context.Context, opts sendOptions, path string, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := cli.NewOutput(opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	src, err := encode.OpenSource(path)
	if err != nil {
		return err
	}
	defer src.Close()
	m, err := opts.manifest(src)
	if err != nil {
		return err
	}
	cfg, err := opts.senderConfig()
	if err != nil {
		return err
	}
	out.WarnExposed(opts.groupKey)
	v := &sendView{opts: opts, manifest: m}
	if v.Preparation, err = encode.NewPreparation(opts.Options, m.Descriptor.Params, out); err != nil {
		return err
	}
	v.way, err = opts.way()
	cfg.Overhead = proto.Overhead(v.way.Group)
	if err == nil {
		err = fits(v.way, v.datagramLen())
	}
	if opts.dryRun {
		v.plan(err)
	}
	if opts.dryRun || err != nil {
		return err
	}

	// The socket comes first: what is wrong with the network shows at once, and
	// not after a gigabyte has been encoded.
	conns, disconnect, err := v.connect(ctx)
	if err != nil {
		return cli.WithCode(cli.ExitNetwork, err)
	}
	defer disconnect()
	o, release, err := v.Prepare(ctx, src)
	defer release()
	if err != nil {
		return err
	}
	if err := v.putManifest(o); err != nil {
		return err
	}
	s, err := sender.New(cfg, o)
	if err != nil {
		return cli.UsageError("%w", err)
	}
	v.started()
	return v.run(ctx, s, conns, src)
}

// connect opens a socket for each layer, and starts to watch for listeners if
// that is asked for.
func (v *sendView) connect(ctx context.Context) (conns []sender.Conn, disconnect func(), err error) {
	dialed, err := dialLayers(v.way, v.opts.layers)
	if err != nil {
		return nil, nil, err
	}
	unwatch, err := v.watch(ctx)
	if err != nil {
		closeConns(dialed)
		return nil, nil, err
	}
	for _, c := range dialed {
		conns = append(conns, sendConn{c})
	}
	return conns, func() { unwatch(); closeConns(dialed) }, nil
}

// run sends until it is stopped.
func (v *sendView) run(ctx context.Context, s *sender.Sender, conns []sender.Conn, src *encode.Source) error {
	defer clock.Claim()()
	v.begin = time.Now()
	checked := v.begin
	err := sender.Run(ctx, s, conns[0], sender.RunOptions{
		Upper:    conns[1:],
		Sleep:    clock.Sleep,
		Log:      v.Out.Logger(),
		Listened: v.listened,
		Report: func(now time.Time, p sender.Progress) error {
			v.progress(now, p)
			if now.Sub(checked) < time.Second {
				return nil
			}
			checked = now
			return src.Check()
		},
	})
	v.stopped(s.Progress())
	if err != nil {
		return cli.ByItself(err)
	}
	return context.Cause(ctx)
}

func (o *sendOptions) validate() error {
	switch {
	case !sender.ValidRate(int64(o.rate)):
		return cli.UsageError("--rate %v: want %v to %v", o.rate, quantity.Rate(sender.MinRate), quantity.Rate(sender.MaxRate))
	case o.loops < 0:
		return cli.UsageError("--loops %d: want a number that is not negative", o.loops)
	case o.hops < 1 || o.hops > 255:
		return cli.UsageError("--hop-limit %d: want 1 to 255", o.hops)
	case o.start > quantity.Whole:
		return cli.UsageError("--start %v: want 0%% to 100%%", o.start)
	case o.group != "" && o.ssm:
		return cli.UsageError("--group and --source-specific exclude each other")
	}
	if o.group != "" {
		if _, err := o.ParseGroup(o.group); err != nil {
			return err
		}
	}
	_, _, senderErr := parseSender(o.senderOf)
	return cmp.Or(senderErr, o.checkLayers(), o.Options.Validate(), o.ChannelOptions.Validate(), o.OutputOptions.Validate())
}

// parseSender reads i/n.
func parseSender(s string) (i, n int, err error) {
	first, second, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	if !ok || errors.Join(err1, err2) != nil || !sender.ValidSender(i, n) {
		return 0, 0, cli.UsageError("--sender %q: want i/n, such as 1/2, with n up to %d", s, sender.MaxSenders)
	}
	return i, n, nil
}

// manifest describes the file to send as far as that is possible without
// reading it.
func (o *sendOptions) manifest(src *encode.Source) (*proto.Manifest, error) {
	if o.signed != nil {
		return o.signed, o.checkSize(src)
	}
	name, err := encode.SentName(src.Path, o.name)
	if err != nil {
		return nil, err
	}
	params, err := o.Params(src.Size)
	if err != nil {
		return nil, err
	}
	m := &proto.Manifest{Name: name, Descriptor: proto.Descriptor{Params: params}}
	if _, err := m.AppendPayload(nil); err != nil {
		return nil, cli.UsageError("%w", err)
	}
	return m, nil
}

// way chooses interface, family and group.
func (o *sendOptions) way() (cfg mcast.SendConfig, err error) {
	cfg = mcast.SendConfig{Port: o.Port, HopLimit: o.hops, DSCP: int(o.dscp)}
	if o.iface != "" {
		cfg.Interface, err = mcast.InterfaceByName(o.iface)
	} else {
		cfg.Interface, err = mcast.DefaultInterface()
	}
	if err != nil {
		return cfg, cli.WithCode(cli.ExitNetwork, err)
	}
	if o.group != "" {
		cfg.Group, err = o.ParseGroup(o.group)
		return cfg, err
	}
	groups := proto.ChannelGroups(o.Channel)
	v6, v4 := groups.IPv6, groups.IPv4
	if o.ssm {
		v6, v4 = groups.IPv6Source, groups.IPv4Source
	}
	switch ifi := cfg.Interface; {
	case ifi.IPv6 && !o.Only4:
		cfg.Group = v6
	case ifi.IPv4 && !o.Only6:
		cfg.Group = v4
	case ifi.Loopback:
		return cfg, cli.WithCode(cli.ExitNetwork, cli.ErrLoopback6)
	default:
		return cfg, cli.WithCode(cli.ExitNetwork, fmt.Errorf("interface %s has no address of the family asked for", ifi.Name))
	}
	return cfg, nil
}

// fits reports datagrams that are too large for the interface, before anything
// is encoded.
func fits(way mcast.SendConfig, datagram int) error {
	ifi := way.Interface
	limit := ifi.MTU - proto.Overhead(way.Group)
	if ifi.MTU <= 0 || datagram <= limit { // unknown, or it fits
		return nil
	}
	return cli.WithCode(cli.ExitNetwork, withShardSize(&mcast.TooBigError{Interface: ifi.Name, MTU: ifi.MTU, Datagram: datagram, Max: limit}))
}

// senderConfig returns all of the sender's configuration but its overhead.
func (o *sendOptions) senderConfig() (cfg sender.Config, err error) {
	i, n, err := parseSender(o.senderOf)
	if err != nil {
		return cfg, err
	}
	group, err := cli.ReadGroupKey(o.groupKey)
	return sender.Config{
		Rate: int64(o.rate), Layers: o.layers, Sender: i, Senders: n, Start: int(o.start), Loops: o.loops, Seal: group,
	}, err
}
