// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
)

func TestHelpListsEveryExitCode(t *testing.T) {
	for _, code := range []int{
		cli.ExitOK, cli.ExitFailure, cli.ExitUsage, cli.ExitSilence, cli.ExitIncomplete, cli.ExitIntegrity, cli.ExitAuthenticity, cli.ExitPolicy, cli.ExitNetwork, cli.ExitLocalIO, cli.ExitHook, cli.ExitRequirement,
		cli.ExitSignal + int(syscall.SIGHUP), cli.ExitSignal + int(syscall.SIGINT), cli.ExitSignal + int(syscall.SIGPIPE), cli.ExitSignal + int(syscall.SIGTERM),
	} {
		if !slices.ContainsFunc(cli.ExitMeaningsOf("iotupd"), func(m cli.ExitMeaning) bool { return m.Code == code }) {
			t.Errorf("exit code %d is not in the help", code)
		}
	}
}

func TestHelpFitsATerminal(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"send", "--help"}, {"recv", "--help"}, {"sign", "--help"}, {"keygen", "--help"}, {"inspect", "--help"}} {
		var out bytes.Buffer
		if code := run(args, cli.Stdio{Out: &out, Err: &out}); code != 0 {
			t.Errorf("%v: got exit code %d, want 0", args, code)
		}
		for line := range strings.Lines(out.String()) {
			if len(strings.TrimSuffix(line, "\n")) > cli.HelpWidth || strings.Contains(line, "`") {
				t.Errorf("%v: %q is not a line of at most %d columns", args, line, cli.HelpWidth)
			}
		}
	}
}

func TestEveryFlagIsUnderAHeadingAndDescribed(t *testing.T) {
	flags := map[string]string{}
	for _, cmd := range newRootCommand().Commands() {
		if !slices.Contains([]string{"send", "recv", "sign", "inspect"}, cmd.Name()) {
			continue
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			h := cli.HelpOf(f)
			if f.Annotations[cli.HeadingKey] == nil || h.Text == "" || len(h.Label) > cli.FlagColumn-2 {
				t.Errorf("%s --%s: got heading %q, label %q, text %q", cmd.Name(), f.Name, f.Annotations[cli.HeadingKey], h.Label, h.Text)
			}
			// "A flag means the same everywhere."
			if short, ok := flags[f.Name]; ok && short != f.Shorthand {
				t.Errorf("--%s has short forms %q and %q", f.Name, short, f.Shorthand)
			}
			flags[f.Name] = f.Shorthand
		})
	}
	if len(flags) < 30 {
		t.Errorf("got only the flags %q", slices.Sorted(maps.Keys(flags)))
	}
}

func TestManPages(t *testing.T) {
	pages := cli.ManPages(newRootCommand())
	for _, name := range []string{"iotupd.1", "iotupd-send.1", "iotupd-recv.1", "iotupd-sign.1", "iotupd-keygen.1", "iotupd-inspect.1"} {
		if pages[name] == "" {
			t.Errorf("there is no page %s", name)
		}
	}
	for name, page := range pages {
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"} {
			if !strings.Contains(page, "\n.SH "+section+"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
	}
}

func TestShortFlags(t *testing.T) {
	want := map[string]string{
		"send": "46ghiknpqrv",
		"sign": "hoqsv", "keygen": "hpqs", "inspect": "46ghikpqv",
		"recv": "46dghiknopqv",
	}
	for _, cmd := range newRootCommand().Commands() {
		var got []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { got = append(got, f.Shorthand) })
		slices.Sort(got)
		if want, ok := want[cmd.Name()]; ok && strings.Join(got, "") != want {
			t.Errorf("%s: got short flags %q, want %q", cmd.Name(), strings.Join(got, ""), want)
		}
	}
}

// What a command of --exec learns about the file is no flag of this program: it may
// run it.
func TestNoFlagIsAVariableOfTheHook(t *testing.T) {
	for _, cmd := range newRootCommand().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if name := cli.EnvironmentName(f); name == "IOTUPD_FILE" || strings.HasPrefix(name, "IOTUPD_FILE_") {
				t.Errorf("%s: --%s is set by %s", cmd.Name(), f.Name, name)
			}
		})
	}
}

func TestEveryNumberHasAnUpperBound(t *testing.T) {
	numbers := map[string]string{ // too large a value of each type
		"duration": "2540400h", "int": "9223372036854775807", "uint16": "65536", "uint64": "18446744073709551616", "count": "9223372036854775807",
		"size": "9999999T", "rate": "9999999T", // shares are checked by commands
	}
	bounded := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, isNumber := numbers[f.Value.Type()]
			if !isNumber {
				return
			}
			err := c.Flags().Set(f.Name, value)
			if err == nil {
				err = cli.CheckNumbers(c.Flags())
			}
			if err == nil {
				t.Errorf("%s --%s takes %s", c.CommandPath(), f.Name, value)
			}
			f.Changed = false
			bounded++
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand())
	if bounded < 40 {
		t.Errorf("got %d numbers, want those of all commands", bounded)
	}
}
