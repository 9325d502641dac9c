// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
)

func TestProgressSaysHowLongPreparingTakes(t *testing.T) {
	var text bytes.Buffer
	out := cli.NewOutput(t.Context(), cli.OutputOptions{Progress: "plain", Stats: time.Second}, cli.Stdio{Out: &text, Err: &text}, nil)
	defer out.Close(nil)
	var p Preparation
	now := time.Unix(1, 0)
	p.Show(out, now, 0.01)
	for i, want := range []string{" preparing 25%  ETA 3 s\n", " preparing 50%  ETA 2 s\n", " preparing 75%  ETA 1 s\n"} {
		text.Reset()
		p.Show(out, now.Add(time.Duration(i+1)*time.Second), 0.25*float64(i+1))
		out.EndProgress()
		if got := text.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	text.Reset()
	p.Interrupted(out, errors.New("disk full"), "nothing was sent")
	out.EndProgress()
	if got := text.String(); got != "" {
		t.Errorf("after another error: %q", got)
	}
	p.Interrupted(out, cli.SignalError{Signal: syscall.SIGINT}, "nothing was sent")
	out.EndProgress()
	if got, want := text.String(), "interrupted while preparing, at 75%: nothing was sent\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
