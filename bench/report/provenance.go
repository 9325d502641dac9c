// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"encoding/json"
	"strings"
	"time"

	"iotupd/bench"
)

// A Provenance says how a [bench.Result] was made, so that it can be made again.
// It goes to the HTML page and to run.json, and nowhere else: the rest is to be
// the same on every machine. Fields that are zero are left out.
type Provenance struct {
	Command     []string      // program and arguments
	Environment []string      // NAME=value of the variables that it took for flags
	Program     string        // version of this program
	Go          string        // version of the compiler
	System      string        // as in linux/amd64
	CPU         string        // model
	CPUs        int           // that could be used
	Started     time.Time     // in any zone
	Took        time.Duration // from start to result
}

// commandLine returns the command as a shell reads it.
func (p Provenance) commandLine() string {
	var words []string
	for _, setting := range p.Environment {
		name, value, _ := strings.Cut(setting, "=")
		words = append(words, name+"="+shellQuote(value))
	}
	for _, word := range p.Command {
		words = append(words, shellQuote(word))
	}
	return strings.Join(words, " ")
}

// shellQuote returns s as a word of a POSIX shell.
func shellQuote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// runFormat is the version of run.json, by which it is known.
const runFormat = "iotupd bench run 2"

// runFormat1 is the format of the first version, which used one name for the
// version of the program and for the version of a release.
const runFormat1 = "iotupd bench run 1"

// A run is the content of run.json.
type run struct {
	Format      string   `json:"format"`
	CommandLine string   `json:"command_line"`
	Command     []string `json:"command"`
	Environment []string `json:"environment,omitempty"`
	Program     string   `json:"program_version,omitempty"`
	Mode        string   `json:"mode"`
	Seed        uint64   `json:"seed"`
	Go          string   `json:"go,omitempty"`
	System      string   `json:"system,omitempty"`
	CPU         string   `json:"cpu,omitempty"`
	CPUs        int      `json:"cpus,omitempty"`
	Started     string   `json:"started,omitempty"` // RFC 3339
	Seconds     float64  `json:"seconds_measuring,omitempty"`
	Files       []string `json:"files"`
}

// runJSON returns the content of run.json for a directory with files.
func (p Provenance) runJSON(r bench.Result, files []string) ([]byte, error) {
	about := run{
		Format: runFormat, CommandLine: p.commandLine(), Command: p.Command, Environment: p.Environment,
		Program: p.Program, Mode: r.Mode, Seed: r.Seed, Go: p.Go, System: p.System, CPU: p.CPU, CPUs: p.CPUs,
		Seconds: p.Took.Seconds(), Files: files,
	}
	if !p.Started.IsZero() {
		about.Started = p.Started.Format(time.RFC3339)
	}
	out, err := json.MarshalIndent(about, "", "  ")
	return append(out, '\n'), err
}

// Formats returns an example of every JSON document of bench, by its format, for
// docs/json.md.
func Formats() map[string]any {
	return map[string]any{bench.ResultFormat: bench.Result{}, runFormat: run{}}
}
