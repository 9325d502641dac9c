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
	"iotupd/cmd/iotupd/internal/recv"
	"iotupd/internal/printable"
)

const rootHelp = `iotupd gets one file to any number of devices at once over lossy UDP multicast.

  iotupd send firmware.bin              on one machine
  iotupd recv -o firmware.bin           on any number of others

The sender repeats the file and Reed-Solomon parity for ever and hears nothing
back. A receiver joins at any moment, rebuilds what was lost on the way from
any packets that arrive, and is done when the whole file is verified.

The first Ctrl-C, SIGTERM or SIGHUP ends a command within a second, whatever it
waits for, and the second one at once. There are two exceptions: send tells
receivers for up to a second that it stops, and a command of recv --exec gets
SIGTERM, and has 10 s to end.

Every flag can be set by an environment variable, --shard-size for example by
IOTUPD_SHARD_SIZE. A flag goes before the environment, which goes before the
default.`

// run is the whole program but for the exit.
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

// order is that of the commands in the help.
var order = []string{"send", "recv", "sign", "keygen", "inspect", "man", "bench"}

// commands make the commands that this program has, by name. Build tags leave some
// out: see command_*.go.
var commands = map[string]func() *cobra.Command{
	"recv": recv.NewCommand, "inspect": inspect.NewCommand, "man": cli.NewManCommand,
}

func newRootCommand() *cobra.Command {
	cobra.KeepOrder() // send comes first
	printVersion := false
	root := &cobra.Command{
		Use:                   "iotupd COMMAND",
		Short:                 "one file to many devices over lossy multicast",
		Long:                  rootHelp,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
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
	root.Flags().BoolVar(&printVersion, "version", false, "print the version")
	root.SetUsageFunc(cli.PrintUsage)
	root.SetFlagErrorFunc(cli.FlagError)
	for _, name := range order {
		if newCommand := commands[name]; newCommand != nil {
			root.AddCommand(newCommand())
		}
	}
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
