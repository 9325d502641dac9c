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

const help = `Show what a manifest says, and whether a trusted key signed it; or what a
partial file *.iotupd-part of recv holds, as far as it proves. Without FILE,
listen for a while and show what is on the air: every object, what its manifest
says, who sends it how fast, and how much of it gets lost on the way to here.
All layers of a sender are joined, be they more than that way carries.

Nothing is received, and nothing is trusted but the keys of --trust.`

type options struct {
	listen.Options
	cli.OutputOptions
	trust    []string
	groupKey string
	listen   time.Duration
}

// listeningFlags are those that say how to listen.
var listeningFlags = []string{"group-key", "interface", "group", "channel", "port", "ipv4", "ipv6", "source", "for"}

// NewCommand returns the command.
func NewCommand() *cobra.Command {
	var opts options
	opts.Patient = true
	cmd := &cobra.Command{
		Use:   "inspect [flags] [FILE]",
		Short: "show a manifest, a partial file, or what is on the air",
		Long:  help,
		Example: `  iotupd inspect
  iotupd inspect -i eth1 --for 30s --trust release.pub
  iotupd inspect firmware.bin.iotupd --trust /etc/iotupd/keys`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
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
	flags.StringSliceVar(&o.trust, "trust", nil, "public key `file`, or directory of files *.pub, to verify with, repeatable")
	flags.StringVarP(&o.groupKey, "group-key", "k", "", "key `file` of a group, to open what is sealed")
	cli.Under(flags, "Keys")

	o.Options.AddFlags(flags)
	flags.DurationVar(&o.listen, "for", 5*time.Second, "`time` to listen")
	cli.Under(flags, "Network")

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
	e.File = cli.Path(path)
	out.Final("manifest", e, "")
	out.Result(e.Text())
	if len(trusted) > 0 && e.VerifiedBy == "" {
		return cli.WithCode(cli.ExitAuthenticity, fmt.Errorf("%s: no key of --trust has signed it", path))
	}
	return nil
}

// showChannel shows what is on the air.
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
	out.WarnExposed(opts.groupKey)
	return v.run(ctx)
}
