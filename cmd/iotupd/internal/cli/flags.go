// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cobra"
)

// EnvironmentName is the variable that sets a flag.
func EnvironmentName(f *pflag.Flag) string {
	return "IOTUPD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// commandLineKey is the annotation of a flag that has no environment variable.
const commandLineKey = "iotupd-command-line"

// NotFromEnvironment spares flags their environment variables: where a variable
// would mean something else to another command, or is likely to hold a secret,
// which an error would show.
func NotFromEnvironment(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		flags.SetAnnotation(name, commandLineKey, []string{})
	}
}

// FlagsFromEnvironment sets every flag that is not on the command line from its
// environment variable. An empty variable counts as unset.
func FlagsFromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, _ := lookup(EnvironmentName(f))
		_, never := f.Annotations[commandLineKey]
		if value == "" || f.Changed || never || f.Name == "help" || f.Name == helpAllName || f.Name == "version" || err != nil {
			return
		}
		if e := flags.Set(f.Name, value); e != nil {
			err = UsageError("%s: %w", EnvironmentName(f), refusal(e))
		}
		flags.SetAnnotation(f.Name, fromEnvironmentKey, []string{})
	})
	return err
}

// NoEmptyFlags refuses a flag of the command line with an empty text. It would
// have no effect, which is not the intention of --trust "$KEYS" where KEYS is
// unset.
func NoEmptyFlags(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		empty := f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
		}
		if err == nil && f.Changed && empty {
			err = UsageError("--%s: empty value; leave it out", f.Name)
		}
	})
	return err
}

// fromEnvironmentKey is the annotation of a flag that its environment variable
// has set.
const fromEnvironmentKey = "iotupd-from-environment"

// OnCommandLine reports whether a flag was given.
func OnCommandLine(f *pflag.Flag) bool {
	_, environment := f.Annotations[fromEnvironmentKey]
	return f.Changed && !environment
}

// FirstGiven returns the first of these flags that is on the command line, empty
// if none is.
func FirstGiven(flags *pflag.FlagSet, names []string) string {
	for _, name := range names {
		if OnCommandLine(flags.Lookup(name)) {
			return name
		}
	}
	return ""
}

// FlagError puts into words what is wrong with the flags of a command line.
func FlagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return UsageError("--%s: %w", invalid.GetFlag().Name, refusal(err))
	}
	if hint := nearFlag(cmd.Flags(), err); hint != "" {
		return UsageError("%w; %s", err, hint)
	}
	return UsageError("%w; see %s --help", err, cmd.CommandPath())
}

// refusal says why the value of a flag was refused, without the name of the
// flag. The types of this program say so well themselves.
func refusal(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	want := ""
	switch typ := invalid.GetFlag().Value.Type(); typ {
	case "bool":
		want = "true or false"
	case "duration":
		want = fmt.Sprintf("a time, such as 90s or 1m30s, up to %v", longestTime)
	case "uint16":
		want = "a number from 0 to 65535"
	case "int", "count":
		want = fmt.Sprintf("a whole number up to %d", mostOfAll)
	case "uint64":
		want = fmt.Sprintf("a whole number up to %d", uint64(math.MaxUint64))
	default:
		return invalid.Unwrap()
	}
	return fmt.Errorf("%.40q: want %s", invalid.GetValue(), want)
}
