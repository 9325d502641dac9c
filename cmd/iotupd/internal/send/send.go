// SPDX-License-Identifier: GPL-2.0-or-later

// Package send holds the command send.
package send

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/fec"
	"iotupd/internal/quantity"
	"iotupd/proto/manifestfile"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/directory"
	"iotupd/sender/multicast"
)

const sendHelp = `Send a file, a directory, or several of them, by multicast, over and over: data,
then Reed-Solomon parity, then again, until stopped. Any number of receivers may
join at any time.
The sender has no return channel: it does not know how many receive, or whether
they are done.`

const sendDetails = `The file is encoded before it is sent. Parity and digests that do not fit into
--memory go to a temporary file in $TMPDIR, or else in /var/tmp. With --cache
they are kept, and sending the same file again starts at once.

Several files share the rate, packet by packet. Receivers choose one by --name
or --object. A signed manifest is found beside its file, under the name that
iotupd sign gives it. A file that changes is left out, and others are sent on.

A directory is sent as a tar archive, which is read from the files in place, and
an inventory of it. Receivers that have an older copy need only what is new in
it. Symbolic links are not followed. Nothing in it may change while it is sent.
With other files, a directory counts as two, of 16 at most.

More than 16 files, up to 65536, are listed in a catalogue, which receivers get
first; it takes 5 % of the rate. Few of so many files are open at a time, so
that each has to stay where it is. Receivers trust all files of a --set by one
signature.`

type sendOptions struct {
	cli.ChannelOptions
	cli.OutputOptions
	encode.Options
	encode.Directories
	cfg      agent.Config // into which flags write what they can
	group    string
	from     string       // manifest file
	files    []agent.File // if there are several
	sameName string       // what to warn of
	list     encode.Files
	scanned  map[string]*directory.Directory // by path
	set      setOptions
	groupKey string
	senderOf string
	start    quantity.Percent
	priority string
	dryRun   bool
	printDNS string
}

func NewCommand() *cobra.Command {
	var opts sendOptions
	opts.cfg.Carousel.Rate = sender.DefaultRate
	cmd := &cobra.Command{
		Use:   "send [flags] FILE|DIR...",
		Short: "send a file or a directory to any number of receivers",
		Long:  sendHelp,
		Example: `  iotupd send firmware.bin
  iotupd send firmware.bin --rate 200M -i eth1
  iotupd send firmware.bin -i eth0 -i wlan0
  iotupd send firmware.bin --sender 1/2     and 2/2 on another machine
  iotupd send firmware.bin --manifest firmware.bin.iotupd -k group.key
  iotupd send maps/ --manifest maps.iotupd
  iotupd send --set release.set release/*`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: sendDetails},
		DisableFlagsInUseLine: true,
		Args:                  opts.arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.set.isSet(args, opts.list) {
				paths, err := opts.list.Paths(args, opts.set.path, opts.set.path+manifestfile.Suffix)
				if err == nil {
					err = opts.takeManifests(cmd.Flags(), paths)
				}
				if err != nil {
					return err
				}
				args = paths
			} else if err := cmp.Or(opts.set.refuseAlone(cmd.Flags()), opts.takeManifest(cmd.Flags())); err != nil {
				return err
			}
			if opts.printDNS != "" {
				return opts.printZone(cmd.OutOrStdout())
			}
			return runSend(cmd.Context(), opts, args, cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cli.CompleteFlags(cmd, opts.Options.Completions())
	cli.CompleteFlags(cmd, opts.Directories.Completions())
	cli.CompleteFlags(cmd, opts.ChannelOptions.Completions())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"dscp": cli.OneOf(classNames()...), "priority": cli.OneOf(priorityNames...), "share": cli.OneOf(shareNames...)})
	return cmd
}

func (o *sendOptions) addFlags(flags *pflag.FlagSet) {
	flags.VarP((*rateFlag)(&o.cfg.Carousel.Rate), "rate", "r", "bit `rate` on the network, IP headers included, such as 500k, 20M or 1G; max sends as fast as the interface can and leaves nothing to others")
	flags.IntVar(&o.cfg.Carousel.Layers, "layers", 1, "offer this `number` of streams: the first at --rate, each further one doubles the total; receivers join as many as their network carries")
	flags.StringVar(&o.cfg.Name, "name", "", "file `name` that receivers see (default that of FILE or DIR)")
	flags.StringVar(&o.from, "manifest", "", "signed manifest `file`, made from FILE by iotupd sign; it also sets name, channel and encoding (default none: unsigned)")
	flags.StringVarP(&o.groupKey, "group-key", "k", "", "group key `file`, made by iotupd keygen --group: encrypt for receivers that have it (default none: not encrypted)")
	flags.IntVar(&o.cfg.Carousel.Loops, "loops", 0, "stop after sending everything this `number` of times, with --layers on the lowest one (default never)")
	flags.Var(&o.start, "start", "where in the loop to start, 0% to 100%; after a restart, start elsewhere to send first what receivers did not get")
	flags.StringVar(&o.senderOf, "sender", "1/1", "be sender `i/n`, number i of n: several senders of the same file start at different places of the loop")
	flags.StringVar(&o.priority, "priority", "auto", "`when` to ask the system for real-time priority, which keeps the rate even on a busy host: always, never, or auto: not under a seccomp filter, which may kill the program for it")
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "print the plan (addresses, sizes, time of a loop) and send nothing")

	flags.StringSliceVarP(&o.cfg.Network.Interfaces, "interface", "i", nil, "`name` of an interface to send on, repeatable: the same packets on each, each at --rate (default the only one that is up, has a link and can multicast)")
	flags.DurationVar(&o.cfg.Wait, "wait", agent.DefaultWait, "`time` to wait at the start for an interface that does not exist, has no link or no address yet")
	flags.StringVarP(&o.group, "group", "g", "", "multicast `address` to send to (default derived from --channel)")
	o.ChannelOptions.AddFlags(flags)
	flags.BoolVar(&o.cfg.Network.SourceSpecific, "source-specific", false, "send to the source-specific multicast address of the channel (SSM, IGMPv3 and MLDv2); receivers need --source")
	flags.BoolVar(&o.cfg.WhenListened, "when-listened", false, "send only while IGMP or MLD reports show a receiver on this network; Linux only, needs CAP_NET_RAW")
	flags.StringVar(&o.printDNS, "print-dns", "", "print the DNS records by which recv dns:`NAME` finds this sender, and send nothing")
	flags.IntVar(&o.cfg.Network.HopLimit, "hop-limit", 1, "hop limit (TTL): 1 stays on this network; a higher `number` lets routers forward packets")
	flags.Var((*serviceClass)(&o.cfg.Network.DSCP), "dscp", "DSCP `class` of packets, 0 to 63 or a name: EF, AF11 to AF43, CS0 to CS7, LE (default 0: best effort)")

	o.set.addFlags(flags)
	o.list.AddFlags(flags)
	o.Options.AddFlags(flags)
	o.Directories.AddFlags(flags)
	o.OutputOptions.AddFlags(flags)
}

// afterGoodbye is how long a sender may take to end after it has announced its
// end to receivers.
const afterGoodbye = 500 * time.Millisecond

// runSend sends files.
func runSend(ctx context.Context, opts sendOptions, paths []string, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	if err := encode.CheckFile(paths[0]); err != nil {
		return err
	}
	unit := &service{Service: cli.NewService(ctx)}
	defer unit.Close()
	if err := opts.scan(ctx, out, unit, paths); err != nil {
		return err
	}
	cfg, err := opts.config(paths[0])
	if err != nil {
		opts.closeScanned()
		return err
	}
	opts.warnSameName(out)
	defer opts.limitHeap(len(paths))()
	v := &sendView{opts: opts, out: out}
	cfg.Logger = out.Logger()
	cfg.Observe = func(e agent.Event) {
		if _, sends := e.(agent.Sending); sends {
			cli.TakesUpTo(ctx, sender.ByeTime+afterGoodbye)
		}
		unit.observe(e)
		v.observe(e)
	}
	if v.agent, err = agent.New(cfg); err != nil {
		return opts.explain(err)
	}
	defer v.agent.Close()
	defer v.stopQueues()
	out.WarnExposed(opts.groupKey)
	if err := v.checkTrees(); err != nil {
		return err
	}
	v.routes, err = v.agent.Routes()
	waits := errors.As(err, new(*multicast.NotReadyError))
	err = opts.explain(err)
	if opts.dryRun {
		v.plan(err)
	}
	if opts.dryRun || err != nil && !waits {
		return err
	}
	unit.name = v.name()
	unit.Ready()
	unit.Watch(ctx, unit.alive)
	err = v.agent.Send(ctx)
	if !v.sends {
		v.preparation.Interrupted(out, err, "nothing was sent")
	}
	return opts.explain(err)
}

// explain puts an error of the agent in terms of flags.
func (o *sendOptions) explain(err error) error {
	var name *agent.NameError
	var mismatch *agent.MismatchError
	switch {
	case errors.As(err, &name):
		return encode.NameError(err)
	case errors.Is(err, fec.ErrPolicy):
		return encode.PolicyError(err)
	case errors.Is(err, multicast.ErrLoopbackIPv6):
		return cli.WithCode(cli.ExitNetwork, cli.ErrLoopback6)
	case errors.As(err, &mismatch):
		return o.mismatch(mismatch)
	}
	return err
}

func (o *sendOptions) validate() error {
	c, n := &o.cfg.Carousel, &o.cfg.Network
	switch {
	case c.Rate != unlimited && !sender.ValidRate(c.Rate):
		return cli.UsageError("--rate %v: want %v to %v", quantity.Rate(c.Rate), quantity.Rate(sender.MinRate), quantity.Rate(sender.MaxRate))
	case o.cfg.Wait < 0:
		return cli.UsageError("--wait %v: want a time that is not negative", o.cfg.Wait)
	case c.Loops < 0:
		return cli.UsageError("--loops %d: want a number that is not negative", c.Loops)
	case n.HopLimit < 1 || n.HopLimit > 255:
		return cli.UsageError("--hop-limit %d: want 1 to 255", n.HopLimit)
	case o.start > quantity.Whole:
		return cli.UsageError("--start %v: want 0%% to 100%%", o.start)
	case o.group != "" && n.SourceSpecific:
		return cli.UsageError("--group and --source-specific exclude each other")
	}
	if o.group != "" {
		if _, err := o.ParseGroup(o.group); err != nil {
			return err
		}
	}
	if _, ok := priorities[o.priority]; !ok {
		return cli.UsageError("--priority %q: want %s", o.priority, cli.Choice(priorityNames))
	}
	_, _, senderErr := parseSender(o.senderOf)
	return cmp.Or(senderErr, o.checkLayers(), o.set.validate(), o.Options.Validate(), o.ChannelOptions.Validate(), o.OutputOptions.Validate())
}

// priorities are the values of --priority.
var (
	priorities    = map[string]agent.Priority{"auto": agent.PriorityAuto, "always": agent.PriorityAlways, "never": agent.PriorityNever}
	priorityNames = []string{"auto", "always", "never"}
)

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

// sizeOf returns the size of a file, or of the archive of a directory; 0 if it is not known:
// the agent says why.
func (o *sendOptions) sizeOf(path string) int64 {
	if d := o.scanned[path]; d != nil {
		return d.Size()
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// config returns what the flags ask for.
func (o *sendOptions) config(path string) (cfg agent.Config, err error) {
	cfg = o.cfg
	cfg.File, cfg.Directory, cfg.Priority = path, o.scanned[path], priorities[o.priority]
	cfg.Preserve = o.Preserve
	cfg.Prepare = o.Prepare()
	cfg.Carousel.Start = int(o.start)
	if cfg.Wait == 0 { // do not
		cfg.Wait = -1
	}
	if cfg.Encoding, err = o.Policy(o.sizeOf(path)); err != nil {
		return cfg, err
	}
	if cfg.Carousel.Sender, cfg.Carousel.Senders, err = parseSender(o.senderOf); err != nil {
		return cfg, err
	}
	if cfg.Network, err = o.network(); err != nil {
		return cfg, err
	}
	if len(o.files) > 0 {
		if err := o.setFiles(&cfg); err != nil {
			return cfg, err
		}
	}
	cfg.Carousel.Seal, err = cli.ReadGroupKey(o.groupKey)
	return cfg, err
}

// network says where the flags ask to send.
func (o *sendOptions) network() (n multicast.Config, err error) {
	n = o.cfg.Network
	n.Channel, n.Port = o.Channel, o.Port
	switch {
	case o.Only4:
		n.Family = multicast.IPv4Only
	case o.Only6:
		n.Family = multicast.IPv6Only
	}
	if o.group != "" {
		n.Group, err = o.ParseGroup(o.group)
	}
	return n, err
}
