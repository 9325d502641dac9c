// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

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

// walk calls a function with every command that this program lists, and man.
func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		walk(c, f)
	}
}

// help returns what a command prints with these flags.
func help(t *testing.T, cmd *cobra.Command, flag string) string {
	t.Helper()
	var out bytes.Buffer
	args := append(strings.Fields(cmd.CommandPath())[1:], flag)
	if code := run(args, cli.Stdio{Out: &out, Err: &out}); code != 0 {
		t.Errorf("%q: got exit code %d, want 0: %s", args, code, &out)
	}
	return out.String()
}

// listed returns the names of the flags that a help lists, in its order.
func listed(help string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^(?:  -., |      )--([a-z0-9-]+)`).FindAllStringSubmatch(help, -1) {
		names = append(names, m[1])
	}
	return names
}

func TestHelpFitsATerminal(t *testing.T) {
	walk(newRootCommand(), func(cmd *cobra.Command) {
		for _, flag := range []string{"--help", "--help-all"} {
			for line := range strings.Lines(help(t, cmd, flag)) {
				if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > cli.HelpWidth || strings.Contains(line, "`") {
					t.Errorf("%s %s: %q is not a line of at most %d columns", cmd.CommandPath(), flag, line, cli.HelpWidth)
				}
			}
		}
	})
}

func TestAFirstPageHasAtMost15Flags(t *testing.T) {
	walk(newRootCommand(), func(cmd *cobra.Command) {
		names := listed(help(t, cmd, "--help"))
		if len(names) > 15 || !slices.Contains(names, "help") || !slices.Contains(names, "help-all") {
			t.Errorf("%s --help: got the %d flags %q, want at most 15, with help and help-all", cmd.CommandPath(), len(names), names)
		}
	})
}

func TestHelpAllAndTheManPageHaveEveryFlagOnce(t *testing.T) {
	root := newRootCommand()
	pages := cli.ManPages(root)
	walk(root, func(cmd *cobra.Command) {
		var want []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { want = append(want, f.Name) })
		slices.Sort(want)
		got := listed(help(t, cmd, "--help-all"))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s --help-all: got the flags %q, want %q", cmd.CommandPath(), got, want)
		}
		page := pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"]
		if page == "" {
			return // man
		}
		for _, name := range want {
			label := regexp.MustCompile(`(?m)^\\fB(\\-., )?\\-\\-` + strings.ReplaceAll(name, "-", `\\-`) + `( .*)?\\fR$`)
			if n := len(label.FindAllString(page, -1)); n != 1 {
				t.Errorf("%s: the man page has --%s %d times, want once", cmd.CommandPath(), name, n)
			}
		}
	})
}

// homonyms are flags that mean something else in another command.
var homonyms = []string{"iotupd version", "keygen group"}

func TestEveryFlagIsUnderAHeadingAndDescribed(t *testing.T) {
	flags := map[string]string{}
	walk(newRootCommand(), func(cmd *cobra.Command) {
		for _, section := range cli.Sections(cmd, true) {
			for _, f := range section.Flags {
				h := cli.HelpOf(f)
				if section.Heading == cli.OtherFlags || h.Text == "" || len(h.Label) > cli.FlagColumn-2 {
					t.Errorf("%s --%s: got heading %q, label %q, text %q", cmd.Name(), f.Name, section.Heading, h.Label, h.Text)
				}
				// "A flag means the same everywhere."
				if short, ok := flags[f.Name]; ok && short != f.Shorthand && !slices.Contains(homonyms, cmd.Name()+" "+f.Name) {
					t.Errorf("--%s has short forms %q and %q", f.Name, short, f.Shorthand)
				}
				if !slices.Contains(homonyms, cmd.Name()+" "+f.Name) {
					flags[f.Name] = f.Shorthand
				}
			}
		}
	})
	if len(flags) < 30 {
		t.Errorf("got only the flags %q", slices.Sorted(maps.Keys(flags)))
	}
}

// noDefault are flags with a value of which none stands in for it: without the flag,
// nothing is done.
var noDefault = []string{
	"recv output", "recv dir", "recv ready", "recv exec", "recv reuse", "recv record", "install exec", "status dir",
	"send print-dns", "send for-memory", "sign for-memory", "sign add", "sign sequence", "sign version", "sign notes", "sign metadata",
	"keygen password-file", "keygen group", "bench sweep", "bench require", "bench out",
}

func TestEveryDefaultIsVisible(t *testing.T) {
	walk(newRootCommand(), func(cmd *cobra.Command) {
		for _, section := range cli.Sections(cmd, true) {
			for _, f := range section.Flags {
				h := cli.HelpOf(f)
				shown := strings.Count(h.Text, "(default ") // one that is in words
				if h.Default != "" {
					shown++
				}
				want := 1
				if f.NoOptDefVal != "" || slices.Contains(noDefault, cmd.Name()+" "+f.Name) {
					want = 0
				}
				if shown != want && !(shown == 1 && f.NoOptDefVal != "") { // switches may say what else is done
					t.Errorf("%s --%s: got %d defaults in %q, %q, want %d", cmd.Name(), f.Name, shown, h.Text, h.Default, want)
				}
			}
		}
	})
}

func TestManPages(t *testing.T) {
	pages := cli.ManPages(newRootCommand())
	names := []string{"iotupd.1"}
	for name := range commands { // that this build has
		if name != "man" {
			names = append(names, "iotupd-"+name+".1")
		}
	}
	for _, name := range names {
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

// Variables that describe the file to a command of --exec must not set flags of
// this program, which the command may run.
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
		t.Errorf("got %d numbers, want the numbers of all commands", bounded)
	}
}
