// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A screen is an output that a test reads.
type screen struct {
	*testing.T
	*cli.Output
	stdout, stderr bytes.Buffer
}

func newScreen(t *testing.T, opts cli.OutputOptions) *screen {
	if opts.Progress == "" {
		opts.Progress = "auto"
	}
	if opts.Stats == 0 {
		opts.Stats = 10 * time.Second
	}
	s := &screen{T: t}
	s.Output = cli.NewOutput(opts, cli.Stdio{Out: &s.stdout, Err: &s.stderr}, &s.stdout)
	t.Cleanup(func() { s.Close(nil) })
	return s
}

// want fails unless this, and nothing else, was printed since the last call.
func (s *screen) want(stdout, stderr string) {
	s.Helper()
	if got := s.stdout.String(); got != stdout {
		s.Errorf("stdout: got %q, want %q", got, stdout)
	}
	if got := s.stderr.String(); got != stderr {
		s.Errorf("stderr: got %q, want %q", got, stderr)
	}
	s.stdout.Reset()
	s.stderr.Reset()
}
