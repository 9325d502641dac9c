// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootHelp = `iotupd gets one file to any number of devices at once over lossy UDP multicast.

  iotupd send firmware.bin              on one machine
  iotupd recv -o firmware.bin           on any number of others

The sender repeats the file and Reed-Solomon parity for ever and hears nothing
back. A receiver joins at any moment, rebuilds what was lost on the way from
any packets that arrive, and is done when the whole file is verified.

Every flag can be set by an environment variable: --shard-size by
IOTUPD_SHARD_SIZE. A flag goes before the environment, which goes before the
default.

` + exitCodeHelp

// run is the whole program but for the exit.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "%s: %v\n", strings.ReplaceAll(cmd.CommandPath(), " ", ": "), err)
	return exitCode(err)
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "iotupd",
		Short:         "one file to many devices over lossy multicast",
		Long:          rootHelp,
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return flagsFromEnvironment(cmd.Flags(), os.LookupEnv)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q; see iotupd --help", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError("%w", err) })
	root.AddCommand(newSendCommand(), newRecvCommand())
	return root
}

// flagsFromEnvironment sets every flag that the command line left alone from
// its environment variable.
func flagsFromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "IOTUPD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := lookup(name)
		if !ok || f.Changed || err != nil {
			return
		}
		if e := flags.Set(f.Name, value); e != nil {
			err = usageError("environment variable %s: %w", name, e)
		}
	})
	return err
}

// exactlyOne is cobra.ExactArgs(1) with a message for people.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError("want one %s, got %d arguments; see %s --help", what, len(args), cmd.CommandPath())
		}
		return nil
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("unexpected argument %q; see %s --help", args[0], cmd.CommandPath())
	}
	return nil
}

// version is set by the Makefile for releases.
var version = ""

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
