// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"iotupd/bench"
	"iotupd/bench/report"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/internal/quantity"
)

// formats are the kinds of output, in the order of formatNames.
var formats = map[string]func(io.Writer, bench.Result) error{
	"table":    func(w io.Writer, r bench.Result) error { return report.Table(w, r, columns(w)) },
	"csv":      report.CSV,
	"json":     report.JSON,
	"markdown": report.Markdown,
}

var formatNames = []string{"table", "csv", "json", "markdown"}

// writer returns what prints a result in the format asked for.
func (o *benchOptions) writer() (func(io.Writer, bench.Result) error, error) {
	write := formats[o.format]
	if write == nil {
		return nil, cli.UsageError("--format %q: want %s", o.format, cli.Choice(formatNames))
	}
	return write, nil
}

// columns returns the width of a terminal, zero if w is none.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// tryOut finds out before the experiment whether its directory can be written.
func (o *benchOptions) tryOut() error {
	if o.out == "" {
		return nil
	}
	err := os.MkdirAll(o.out, 0o777)
	if err == nil {
		err = durable.TryDir(o.out)
	}
	if err != nil {
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("--out %s: %w", o.out, durable.Cause(err)))
	}
	return outError(report.CheckDir(o.out))
}

// outError is an error of package report about the directory.
func outError(err error) error {
	if err == nil {
		return nil
	}
	return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("--out: %s", strings.TrimPrefix(err.Error(), "report: ")))
}

// quickly is how long an experiment may take before it shows progress.
const quickly = 2 * time.Second

// A benchView shows what an experiment does.
type benchView struct {
	out   *cli.Output
	begin time.Time
}

// progress is bench.Experiment.Progress.
func (v *benchView) progress(done, total int) {
	now := time.Now()
	took := now.Sub(v.begin)
	if took < quickly || !v.out.ProgressDue(now) {
		return
	}
	left := time.Duration(float64(took) * float64(total-done) / float64(done))
	v.out.ProgressLine(fmt.Sprintf(" %2d%%  ETA %s", 100*done/total, quantity.Duration(left)))
}

// writeDir writes the files of a result.
func (v *benchView) writeDir(dir string, r bench.Result, flags *pflag.FlagSet) error {
	err := report.WriteDir(dir, r, report.Provenance{
		Command:     append([]string{"iotupd"}, os.Args[1:]...),
		Environment: flagEnvironment(flags),
		Program:     cli.BuildVersion(),
		Go:          runtime.Version(),
		System:      runtime.GOOS + "/" + runtime.GOARCH,
		CPU:         processor(),
		CPUs:        runtime.GOMAXPROCS(0),
		Started:     v.begin,
		Took:        time.Since(v.begin),
	})
	if err != nil {
		return outError(err)
	}
	v.out.Line("wrote %s", filepath.Join(dir, "report.html"))
	return nil
}

// flagEnvironment lists the variables that set flags, as NAME=value.
func flagEnvironment(flags *pflag.FlagSet) (set []string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if value := os.Getenv(cli.EnvironmentName(f)); value != "" {
			set = append(set, cli.EnvironmentName(f)+"="+value)
		}
	})
	slices.Sort(set)
	return set
}

// processor returns the model of the CPU, empty if that is not known.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // there is none but on Linux
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
