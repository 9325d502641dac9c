// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"cmp"
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/proto"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
)

const installHelp = `Install what an iotupd recv --ready DIR of another user has received. recv then
needs no privileges, and install no network.

The file is moved out of DIR, or copied if somebody could still write to it.
Then its manifest, its signature and its SHA-256 are verified again. What
becomes of it is recorded as by recv --exec: install makes all attempts, with
the same pauses, and ends when nothing is due any more: with exit code 0 also if
the release has failed. See iotupd status.`

const installDetails = `DIR may belong to a user who is not trusted. A receiver that an attacker
controls can withhold releases, but neither install anything that no key of
--trust has signed, nor an older release, nor change a file after it was
verified.

--state belongs to this user alone (mode 700), with the records, the floor
against older releases, the lock and the files that were taken over. It should
be on the file system of DIR, so that files are moved and not copied. Do not
share it with recv.

The command gets the same variables as that of recv --exec, and its exit codes
mean the same.`

// installOptions are the options of the command install. Flags of recv that it does not
// declare keep their zero values.
type installOptions struct{ options }

// NewInstallCommand returns the command install.
func NewInstallCommand() *cobra.Command {
	opts := installOptions{}
	cmd := &cobra.Command{
		Use:   "install DIR --trust FILE --exec COMMAND [flags]",
		Short: "install what recv --ready of another user has received",
		Long:  installHelp,
		Example: `  iotupd recv --follow --ready /var/lib/fw --trust release.pub
  iotupd install /var/lib/fw --trust release.pub --exec 'rauc install {}'`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: installDetails},
		DisableFlagsInUseLine: true,
		Args:                  cli.OneArgument("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.run(cmd.Context(), args[0], cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"component": cobra.NoFileCompletions})
	return cmd
}

func (o *installOptions) addFlags(flags *pflag.FlagSet) {
	o.hookOptions.addFlags(flags)
	o.trustOptions.addFlags(flags)
	flags.Lookup("component").Usage = "`name` of the product, repeatable: leave files of others; - is for files that name none (default any)"
	flags.Lookup("state").Usage = "`directory` of this user alone, for records and files (default /var/lib/iotupd-install for root, else ~/.local/state/iotupd-install)"
	flags.StringVar(&o.Channel, "channel", proto.DefaultChannel, "`name` of the channel of recv")
	o.OutputOptions.AddFlags(flags)
}

func (o *installOptions) validate() error {
	switch {
	case len(o.trust) == 0:
		return cli.UsageError("install needs --trust: whoever can write to DIR could have anything installed")
	case o.exec == "":
		return cli.UsageError("install needs --exec, the command that installs a file")
	}
	return cmp.Or(o.OutputOptions.Validate(), o.trustOptions.validate(), o.hookOptions.validate())
}

// privateDir makes a directory that belongs to this user alone.
func privateDir(path string) error {
	err := os.MkdirAll(path, 0o700)
	if err == nil {
		err = os.Chmod(path, 0o700)
	}
	if err != nil {
		return cli.LocalError(path, err)
	}
	return nil
}

func (o *installOptions) run(ctx context.Context, dir string, std cli.Stdio) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	o.dir = dir
	cfg := agent.Config{
		Channel: o.Channel, Hardware: o.targets, MinSequence: o.minSequence, AllowDowngrade: o.downgrade,
		KeepPending: true, Install: o.installConfig(),
	}
	trusted, names, err := o.readTrusted()
	if err != nil {
		return err
	}
	cfg.Trust = trusted
	if cfg.Components, err = cli.ReadComponents(o.components); err != nil {
		return err
	}
	if cfg.State, err = o.stateDir(); err != nil {
		return err
	}
	if o.state == "" {
		cfg.State += "-install" // it is not shared with recv
	}
	taken := filepath.Join(cfg.State, "taken")
	if err := cmp.Or(privateDir(cfg.State), privateDir(taken)); err != nil {
		return err
	}
	cfg.Target = filestore.Objects(taken)
	out := cli.NewOutput(ctx, o.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	unit := &service{Service: cli.NewService(ctx)}
	defer unit.Close()
	cfg.Observe = unit.observing(newView(o.options, out, names).observe)
	a, err := agent.New(cfg)
	if err != nil {
		return stateError(err)
	}
	defer a.Close()
	install, err := o.install()
	if err != nil {
		return err
	}
	unit.Ready()
	return o.explain(a.InstallFrom(ctx, dir, install))
}
