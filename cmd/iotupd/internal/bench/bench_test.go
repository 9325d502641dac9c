// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
)

// A trigger is a writer that calls a function once something was written.
type trigger struct {
	bytes.Buffer
	call func()
}

func (t *trigger) Write(b []byte) (int, error) {
	t.call()
	return t.Buffer.Write(b)
}

// The first row is done at once, the second takes long enough for a progress
// line, at which the user has seen enough.
func TestBenchShowsWhatIsFinishedWhenItIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var stdout bytes.Buffer
	stderr := &trigger{call: func() { cancel(cli.SignalError{Signal: syscall.SIGINT}) }}
	out := filepath.Join(t.TempDir(), "out")
	cmd := NewCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true // as below the root
	cmd.SetArgs([]string{"--sweep", "size=10K,1G", "--receivers", "10000", "--loss", "bernoulli:10%",
		"--scheme", "ideal", "--format", "csv", "--progress", "bar", "--out", out})
	cmd.SetOut(&stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if got, want := cli.ExitCode(err), 130; got != want {
		t.Errorf("got exit code %d (%v), want %d", got, err, want)
	}
	if lines := strings.Count(stdout.String(), "\n"); lines != 2 {
		t.Errorf("got %q, want the names of the columns and one row", stdout.String())
	}
	if !strings.Contains(stderr.String(), "%  ETA ") || !strings.Contains(stderr.String(), "stopped: only what was finished") {
		t.Errorf("got %q on stderr", stderr.String())
	}
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("got %v, %v in --out, want nothing", files, err)
	}
}
