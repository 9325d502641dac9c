// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"iotupd/bench"
	"iotupd/bench/report"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
)

const compareHelp = `Compare two results side by side. Each is a directory of bench --out, its
result.json, or the output of bench --format json.`

const compareDetails = `Where the confidence intervals overlap, a difference may be due to chance. ±?
means that there were too few receivers for an interval.`

func newCompareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "compare A B",
		Short:                 "compare two results side by side",
		Long:                  compareHelp,
		Example:               "  iotupd bench compare before/ after/",
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: compareDetails},
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.UsageError("want two results, got %d arguments; see %s --help", len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCompare(args[0], args[1], cli.StdioOf(cmd))
		},
	}
	return cmd
}

func runCompare(pathA, pathB string, std cli.Stdio) error {
	a, err := readResult(pathA)
	if err != nil {
		return err
	}
	b, err := readResult(pathB)
	if err != nil {
		return err
	}
	if names := differing(a, b); names != nil {
		fmt.Fprintf(std.Err, "warning: the results differ in %s, too\n", strings.Join(names, ", "))
	}
	w := std.Out
	fmt.Fprintf(w, "A %s\nB %s\n\n", setting(pathA, a, b), setting(pathB, b, a))
	return cli.WithCode(cli.ExitLocalIO, report.Comparison(w, bench.Compare(a, b), columns(w)))
}

// readResult reads a result, or that in a directory of --out.
func readResult(path string) (bench.Result, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "result.json")
	}
	f, err := os.Open(path)
	if err != nil {
		return bench.Result{}, cli.LocalError(path, err)
	}
	defer f.Close()
	r, err := report.ReadJSON(f)
	if err != nil {
		return r, cli.UsageError("%s: %s", path, strings.TrimPrefix(err.Error(), "report: "))
	}
	return r, nil
}

// differing names the fixed parameters that are not the same in a and b.
func differing(a, b bench.Result) (names []string) {
	for _, p := range slices.Concat(a.Parameters, b.Parameters) {
		name, _, _ := strings.Cut(p, "=")
		same := slices.Contains(a.Parameters, p) && slices.Contains(b.Parameters, p)
		if !same && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// setting says how r was made, as far as other was made otherwise.
func setting(path string, r, other bench.Result) string {
	text := fmt.Sprintf("%s  mode %s  seed %d", path, r.Mode, r.Seed)
	for _, p := range r.Parameters {
		if !slices.Contains(other.Parameters, p) {
			text += "  " + p
		}
	}
	return text
}
