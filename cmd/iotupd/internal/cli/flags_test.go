// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/quantity"
)

// someFlags is one flag of every kind there is.
type someFlags struct {
	rate    quantity.Rate
	wait    time.Duration
	port    uint16
	loops   int
	seed    uint64
	dry     bool
	verbose int
	name    string
	groups  []string
}

func (f *someFlags) set() *pflag.FlagSet {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.Var(&f.rate, "rate", "")
	flags.DurationVar(&f.wait, "wait", time.Second, "")
	flags.Uint16Var(&f.port, "port", 1, "")
	flags.IntVar(&f.loops, "loops", 0, "")
	flags.Uint64Var(&f.seed, "seed", 0, "")
	flags.BoolVarP(&f.dry, "dry-run", "n", false, "")
	flags.CountVarP(&f.verbose, "verbose", "v", "")
	flags.StringVar(&f.name, "name", "", "")
	flags.StringSliceVar(&f.groups, "group", nil, "")
	flags.Bool("help", false, "")
	return flags
}

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func TestFlagsOverrideEnvironmentVariablesWhichOverrideDefaults(t *testing.T) {
	var f someFlags
	flags := f.set()
	if err := flags.Parse([]string{"--rate", "5M"}); err != nil {
		t.Fatal(err)
	}
	err := FlagsFromEnvironment(flags, lookupIn(map[string]string{
		"IOTUPD_RATE": "7M", "IOTUPD_PORT": "7", "IOTUPD_DRY_RUN": "true", "IOTUPD_VERBOSE": "2", "IOTUPD_GROUP": "a,b",
		"IOTUPD_NAME": "", "IOTUPD_HELP": "please", "RATE": "8M",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if f.rate != 5e6 || f.port != 7 || f.wait != time.Second || !f.dry || f.verbose != 2 || f.name != "" || !slices.Equal(f.groups, []string{"a", "b"}) {
		t.Errorf("got %+v", f)
	}
}

func TestARefusalSaysWhatIsWanted(t *testing.T) {
	tests := map[string]struct{ value, want string }{
		"rate":    {"100", `"100" is 100 bit/s; did you mean 100M?`},
		"wait":    {"5", `"5": want a time, such as 90s or 1m30s, up to 8784h0m0s`},
		"port":    {"65536", `"65536": want a number from 0 to 65535`},
		"loops":   {"1.5", `"1.5": want a whole number up to 2147483647`},
		"seed":    {"-1", `"-1": want a whole number up to 18446744073709551615`},
		"dry-run": {"maybe", `"maybe": want true or false`},
		"verbose": {"much", `"much": want a whole number up to 2147483647`},
	}
	cmd := &cobra.Command{Use: "iotupd"}
	for name, test := range tests {
		err := FlagError(cmd, new(someFlags).set().Parse([]string{"--" + name + "=" + test.value}))
		if want := "--" + name + ": " + test.want; err.Error() != want || ExitCode(err) != ExitUsage {
			t.Errorf("flag: got %v, exit code %d, want %s", err, ExitCode(err), want)
		}
		variable := "IOTUPD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		err = FlagsFromEnvironment(new(someFlags).set(), lookupIn(map[string]string{variable: test.value}))
		if want := variable + ": " + test.want; err == nil || err.Error() != want || ExitCode(err) != ExitUsage {
			t.Errorf("environment: got %v, want %s", err, want)
		}
	}
}

func TestAnUnknownFlagPointsToHelp(t *testing.T) {
	err := FlagError(&cobra.Command{Use: "iotupd"}, new(someFlags).set().Parse([]string{"--nonsense"}))
	if want := "unknown flag: --nonsense; see iotupd --help"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestWrap(t *testing.T) {
	tests := []struct{ line, words, want string }{
		{"label:", "", "label:"},
		{"label:", "a bc", "label: a bc"},
		{"label:", "a bc def", "label: a bc\n  def"},
		{"label:", "averylongword bc", "label:\n  averylongword\n  bc"},
		{"", "averylongword bc", " averylongword\n  bc"},
	}
	for _, test := range tests {
		if got := Wrap(test.line, strings.Fields(test.words), Layout{Width: 11, Indent: 2}); got != test.want {
			t.Errorf("%q %q: got %q, want %q", test.line, test.words, got, test.want)
		}
	}
}
