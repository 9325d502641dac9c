// SPDX-License-Identifier: GPL-2.0-or-later

// Package installing has the commands about what recv --exec installs: what a hook
// records itself, what an operator confirms or has tried again, and what has become of it.
package installing

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/printable"
	"iotupd/proto"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
)

// Variables that recv sets for its command.
const (
	stateVariable   = "IOTUPD_FILE_STATE"
	channelVariable = "IOTUPD_FILE_CHANNEL"
	objectVariable  = "IOTUPD_FILE_OBJECT"

	componentVariable = "IOTUPD_FILE_COMPONENT"
)

// placeOptions are the flags that say which records are meant.
type placeOptions struct {
	state   string
	channel string

	component string
	ofOne     bool // component was stated
}

func (o *placeOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.state, "state", "", "`directory` of --state of recv (default /var/lib/iotupd for root, else ~/.local/state/iotupd)")
	flags.StringVar(&o.channel, "channel", proto.DefaultChannel, "`name` of the channel of recv")
	flags.StringVar(&o.component, "component", "", "`name` of the component, if there are several on the channel; - is for releases that name none (default the only one)")
}

// find completes the flags by the variables of the command of recv --exec.
func (o *placeOptions) find(flags *pflag.FlagSet) error {
	if !flags.Changed("state") {
		o.state = cmp.Or(os.Getenv(stateVariable), installed.DefaultDir())
	}
	if !flags.Changed("channel") {
		o.channel = cmp.Or(os.Getenv(channelVariable), o.channel)
	}
	if o.ofOne = flags.Changed("component"); o.ofOne {
		var err error
		if o.component, err = cli.ReadComponent(o.component); err != nil {
			return err
		}
	} else if component, ok := os.LookupEnv(componentVariable); ok {
		o.component, o.ofOne = component, true
	}
	if o.state == "" {
		return cli.UsageError("there is no default directory of states for this user; name one by --state")
	}
	return nil
}

// means reports whether a record is of the component that was stated, if one was.
func (o *placeOptions) means(r *installed.Record) bool {
	return !o.ofOne || componentOf(r) == o.component
}

// A change is a command that records something.
type change struct {
	name, short, help string
	event             state.Event
	done              string // what it says then
	nothing           string // and if there is no such release
}

const installedHelp = `Record that the release is installed, for the command of recv --exec: it calls
this as its last step before it reboots, or whenever recv may not see its end.
However the command ends then, the release counts as installed, and with
recv --confirm as activated.

In the command of --exec no flag is needed. By hand, the channel and the state
directory of recv name what is meant.`

const confirmHelp = `Confirm that the release runs, after recv --confirm --exec has installed it: in
a script that runs at the end of the boot, when all that matters works.`

const retryHelp = `Try to install a release again that was given up: since all attempts failed, or
since it was rejected or rolled back. A recv --follow that runs tries it within
a minute, otherwise the next recv does at once.`

var changes = []change{
	{"installed", "record that the command of recv --exec has succeeded", installedHelp, state.Recorded, "recorded", "there is no release that is being installed"},
	{"confirm", "confirm that an installed release works", confirmHelp, state.Confirms, "confirmed", "there is no release to confirm"},
	{"retry", "try to install a release again that was given up", retryHelp, state.Retries, "it is tried again", "there is no release to try again"},
}

// NewInstalledCommand, NewConfirmCommand and NewRetryCommand return commands.
func NewInstalledCommand() *cobra.Command { return changes[0].newCommand() }
func NewConfirmCommand() *cobra.Command   { return changes[1].newCommand() }
func NewRetryCommand() *cobra.Command     { return changes[2].newCommand() }

func (c change) newCommand() *cobra.Command {
	var opts placeOptions
	quiet := false
	cmd := &cobra.Command{
		Use:                   c.name + " [flags]",
		Short:                 c.short,
		Long:                  c.help,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
		DisableFlagsInUseLine: true,
		Args:                  cli.NoArguments,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.find(cmd.Flags()); err != nil {
				return err
			}
			return c.run(opts, quiet, cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print errors only")
	cmd.MarkFlagDirname("state")
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"channel": cobra.NoFileCompletions, "component": cobra.NoFileCompletions})
	return cmd
}

func (c change) run(opts placeOptions, quiet bool, std cli.Stdio) error {
	object := os.Getenv(objectVariable)
	meant := func(r *installed.Record) bool {
		return opts.means(r) && (object == "" || r.Manifest.Descriptor.Object().String() == object)
	}
	if err := c.unambiguous(opts, meant); err != nil {
		return err
	}
	changed, err := installed.Change(opts.state, opts.channel, c.event, meant)
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		return cli.WithCode(cli.ExitPolicy, fmt.Errorf("%s on channel %q in %s; see iotupd status", c.nothing, opts.channel, opts.state))
	}
	if quiet {
		return nil
	}
	for _, r := range merge(changed) {
		cli.Say(std.Err, "%s: %s\n", releaseText(r.Manifest), c.done)
	}
	return nil
}

// unambiguous refuses a change that would concern releases of several components, of which
// the caller has named none.
func (c change) unambiguous(opts placeOptions, meant func(*installed.Record) bool) error {
	all, err := installed.ReadAll(opts.state)
	if err != nil {
		return err
	}
	var components []string
	for _, r := range all {
		if r.Channel != opts.channel || r.Manifest == nil || !meant(r) {
			continue
		}
		if _, ok := r.After(c.event, installed.Now(), state.Rules{}); ok {
			components = append(components, componentOf(r))
		}
	}
	slices.Sort(components)
	components = slices.Compact(components)
	if len(components) < 2 {
		return nil
	}
	for i, name := range components {
		components[i] = printable.Text(name)
		if name == "" {
			components[i] = "- (none)"
		}
	}
	return cli.UsageError("channel %q has releases of several components to which this applies; name one by --component: %s",
		opts.channel, strings.Join(components, ", "))
}
