// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/inspect"
	"iotupd/cmd/iotupd/internal/installing"
	"iotupd/cmd/iotupd/internal/recv"
	"iotupd/internal/printable"
)

const rootHelp = `iotupd sends a file to any number of devices at once, by UDP multicast over
networks that lose packets. There is no return channel: the sender repeats the
file with Reed-Solomon parity (FEC), and a receiver joins at any time, recovers
lost packets from any others, and is done when the SHA-256 of the file is
verified.

  iotupd send firmware.bin              on one machine
  iotupd recv -o firmware.bin           on any number of others`

const rootDetails = `Every flag can be set by an environment variable, for example --shard-size by
IOTUPD_SHARD_SIZE. Flags override environment variables, which override
defaults.

The first Ctrl-C, SIGTERM or SIGHUP ends a command within a second, whatever it
waits for; the second one ends it at once. There are two exceptions: send
announces for up to a second that it stops, and the command of recv --exec gets
SIGTERM and has 10 s to exit.`

// run is the whole program except the exit.
func run(args []string, std cli.Stdio) int {
	ctx, stop := cli.WithSignals(context.Background())
	defer stop()
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !errors.As(err, new(*cli.ShownError)) {
		cli.Say(std.Err, "%s: %s\n", strings.ReplaceAll(cmd.CommandPath(), " ", ": "), printable.Lines(err.Error()))
	}
	return cli.ExitCode(err)
}

// order is the order of the commands in the help.
var order = []string{"send", "recv", "sign", "keygen", "inspect", "install", "status", "installed", "confirm", "retry", "man", "bench", "version"}

// commands make the commands that this program has, by name. Build tags leave some
// out: see command_*.go.
var commands = map[string]func() *cobra.Command{
	"recv": recv.NewCommand, "inspect": inspect.NewCommand, "man": cli.NewManCommand, "version": cli.NewVersionCommand,
	"install": recv.NewInstallCommand, "status": installing.NewStatusCommand, "installed": installing.NewInstalledCommand,
	"confirm": installing.NewConfirmCommand, "retry": installing.NewRetryCommand,
}

func newRootCommand() *cobra.Command {
	printVersion := false
	root := &cobra.Command{
		Use:                   "iotupd COMMAND",
		Short:                 "one file to many devices over lossy multicast",
		Long:                  rootHelp,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: rootDetails},
		DisableFlagsInUseLine: true,
		SilenceErrors:         true,
		SilenceUsage:          true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.NoEmptyFlags(cmd.Flags()); err != nil {
				return err
			}
			if err := cli.FlagsFromEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			return cli.CheckNumbers(cmd.Flags())
		},
		Args:              cobra.ArbitraryArgs, // so that RunE can explain
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if printVersion {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "iotupd version %s\n", cli.BuildVersion())
				return cli.WithCode(cli.ExitLocalIO, err)
			}
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	// Defined here so that -v is not taken: it means --verbose everywhere.
	root.Flags().BoolVarP(&printVersion, "version", "V", false, "print the version; iotupd version prints more")
	root.SetUsageFunc(cli.PrintUsage)
	root.SetFlagErrorFunc(cli.FlagError)
	for _, name := range order {
		if newCommand := commands[name]; newCommand != nil {
			root.AddCommand(newCommand())
		}
	}
	cli.AddHelp(root)
	root.SetHelpCommand(newHelpCommand(root))
	return root
}

func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "print the help of a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			switch {
			case err != nil || len(rest) > 0 && cmd == root:
				return unknownCommand(root, args[0])
			case len(rest) > 0:
				return cli.NoArguments(cmd, rest)
			}
			return cmd.Help()
		},
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	if slices.Contains(order, name) || name == "completion" {
		return cli.UsageError("command %q is left out of this build, which is a small one; take a full one", name)
	}
	hint := "see iotupd --help"
	var known []string
	for _, c := range root.Commands() {
		known = append(known, c.Name())
	}
	if near := cli.NearCommands(name, known); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return cli.UsageError("unknown command %q; %s", name, hint)
}
