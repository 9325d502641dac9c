// SPDX-License-Identifier: GPL-2.0-or-later

// Package inspect is the command that shows manifests, partial files and what is
// sent on a channel.
package inspect

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/proto/manifestfile"
	"iotupd/receiver/filestore"
	"iotupd/receiver/monitor"
)

const help = `Show what is sent on the network, or what a file contains.

Without FILE, listen for a while and list every file that is sent: its manifest,
its senders with their rates, and the packet loss from each of them to here.
With FILE, show a signed manifest and whether a trusted key signed it, or how
much of the file a partial file (*.iotupd-part) has.

Nothing is written. Only keys given by --trust are trusted.`

const details = `inspect joins all layers of a sender, even if they are more than the network
carries.`

type options struct {
	listen.Options
	cli.OutputOptions
	trust    []string
	groupKey string
	listen   time.Duration
	files    bool
}

// listeningFlags are those that say how to listen.
var listeningFlags = []string{"group-key", "interface", "group", "channel", "port", "ipv4", "ipv6", "source", "for", "files"}

// NewCommand returns the command.
func NewCommand() *cobra.Command {
	var opts options
	opts.WaitForReader = true
	cmd := &cobra.Command{
		Use:   "inspect [flags] [FILE]",
		Short: "show what is sent on the network, a manifest or a partial file",
		Long:  help,
		Example: `  iotupd inspect
  iotupd inspect -i eth1 --for 30s --trust release.pub
  iotupd inspect firmware.bin.iotupd --trust /etc/iotupd/keys`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: details},
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs, // so that RunE can explain
		RunE: func(cmd *cobra.Command, args []string) error {
			std := cli.StdioOf(cmd)
			switch len(args) {
			case 0:
				return showChannel(cmd.Context(), opts, std)
			case 1:
				if name := cli.FirstGiven(cmd.Flags(), listeningFlags); name != "" {
					return cli.UsageError("--%s is for listening: leave it out, or FILE", name)
				}
				return showFile(cmd.Context(), opts, args[0], std)
			}
			return cli.UsageError("want at most one FILE, got %d arguments; see %s --help", len(args), cmd.CommandPath())
		},
	}
	opts.addFlags(cmd.Flags())
	cli.CompleteFlags(cmd, opts.ChannelOptions.Completions())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	return cmd
}

func (o *options) addFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.trust, "trust", nil, "public key `file`, or directory of *.pub files, repeatable: verify signatures with these keys (default none)")
	flags.StringVarP(&o.groupKey, "group-key", "k", "", "group key `file`, to decrypt packets (default none)")

	o.Options.AddFlags(flags)
	flags.DurationVar(&o.listen, "for", 5*time.Second, "`time` to listen")
	flags.BoolVar(&o.files, "files", false, "list what is in the directories that are sent")

	o.OutputOptions.AddFlags(flags)
}

func (o *options) validate() error {
	if o.listen <= 0 {
		return cli.UsageError("--for %v: want a time, such as 5s", o.listen)
	}
	return cmp.Or(o.ChannelOptions.Validate(), o.OutputOptions.Validate())
}

// showFile shows a file.
func showFile(ctx context.Context, opts options, path string, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	trusted, err := cli.ReadTrusted(opts.trust)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, filestore.PartSuffix) {
		return inspectPart(out, path)
	}
	m, err := manifestfile.Read(path)
	if err != nil {
		return err
	}
	e := describe.NewManifestEvent(m, trusted, time.Now())
	e.Path = cli.Path(path)
	out.Final("manifest", e, "")
	out.Result(e.Text())
	if len(trusted) > 0 && e.SignedBy == "" {
		return cli.WithCode(cli.ExitAuthenticity, fmt.Errorf("%s: no key of --trust has signed it", path))
	}
	return nil
}

// showChannel shows what is sent on the channel.
func showChannel(ctx context.Context, opts options, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	v := &channelView{opts: opts, out: out}
	if v.trusted, err = cli.ReadTrusted(opts.trust); err != nil {
		return err
	}
	groupKey, err := cli.ReadGroupKey(opts.groupKey)
	if err != nil {
		return err
	}
	v.monitor = monitor.New(v.trusted, groupKey)
	v.monitor.Inventories = opts.files
	out.WarnExposed(opts.groupKey)
	return v.run(ctx)
}
