// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// A screen is an output and what it printed.
type screen struct {
	*testing.T
	*Output
	stdout, stderr bytes.Buffer
}

func newScreen(t *testing.T, opts OutputOptions) *screen {
	if opts.Progress == "" {
		opts.Progress = "auto"
	}
	if opts.Stats == 0 {
		opts.Stats = 10 * time.Second
	}
	s := &screen{T: t}
	s.Output = NewOutput(t.Context(), opts, Stdio{&s.stdout, &s.stderr}, &s.stdout)
	t.Cleanup(s.stop)
	return s
}

// want compares what was printed since the last call.
func (s *screen) want(stdout, stderr string) {
	s.Helper()
	s.flush(readerTimeout{})
	if got := s.stdout.String(); got != stdout {
		s.Errorf("stdout: got %q, want %q", got, stdout)
	}
	if got := s.stderr.String(); got != stderr {
		s.Errorf("stderr: got %q, want %q", got, stderr)
	}
	s.stdout.Reset()
	s.stderr.Reset()
}

// progress shows a line at the given time if it is due.
func (s *screen) progress(at time.Duration, line string) {
	if s.ProgressDue(epoch.Add(at)) {
		s.ProgressLine(line)
	}
}

// someEvent stands for the events of commands.
type someEvent struct {
	Loops   float64 `json:"loops"`
	Packets uint64  `json:"packets"`
	Seconds float64 `json:"seconds"`
}

func TestEventsAreLinesOfJSONWithVersionAndType(t *testing.T) {
	s := newScreen(t, OutputOptions{JSON: true})
	s.Event("stopped", someEvent{Loops: 1.5, Packets: 7, Seconds: 2})
	s.Event("empty", struct{}{})
	s.Warn(Warning{Code: "corrupt", Text: "wrong \"hash\"", Fix: "again"})
	s.want(`{"v":2,"type":"stopped","loops":1.5,"packets":7,"seconds":2}`+"\n"+
		`{"v":2,"type":"empty"}`+"\n"+
		`{"v":2,"type":"warn","code":"corrupt","text":"wrong \"hash\"","fix":"again"}`+"\n", "")
	s.Line("for people")
	s.progress(time.Hour, "for people")
	s.want("", "")
}

func TestWithoutJSONEventsAreSilent(t *testing.T) {
	s := newScreen(t, OutputOptions{})
	s.Event("stopped", someEvent{})
	s.Warn(Warning{Code: "corrupt", Text: "wrong hash", Fix: "again"})
	s.want("", "warning: wrong hash [corrupt]\n  try: again\n")
}

func TestTheLiveLineIsClearedBeforeALine(t *testing.T) {
	s := newScreen(t, OutputOptions{Progress: "bar"})
	s.progress(0, " 1%")
	s.want("", "\r 1%\x1b[K")
	s.Line("news of %s", "fw.bin")
	s.want("", "\r\x1b[Knews of fw.bin\n")
	s.Line("more")
	s.want("", "more\n")
	s.progress(LiveEvery-1, " 2%")
	s.want("", "")
	s.progress(LiveEvery, " 3%")
	s.want("", "\r 3%\x1b[K")
	s.Close(nil)
	s.want("", "\r\x1b[K")
}

func TestTheLiveLineFitsTheTerminal(t *testing.T) {
	s := newScreen(t, OutputOptions{Progress: "bar"})
	line := string(bytes.Repeat([]byte("x"), 200))
	s.progress(0, line)
	s.want("", "\r"+line[:HelpWidth-3]+"\x1b[K")
}

func TestPlainLinesComeEveryStats(t *testing.T) {
	for _, progress := range []string{"plain", "auto"} { // auto: the output is not a terminal
		s := newScreen(t, OutputOptions{Progress: progress, Stats: time.Minute})
		s.progress(0, "the first comes after a minute")
		s.progress(59*time.Second, "too early")
		s.want("", "")
		s.progress(60*time.Second, " 5%")
		s.progress(119*time.Second, "too early")
		s.progress(120*time.Second, "10%")
		s.want("", " 5%\n10%\n")
	}
}

func TestProgressNoneAndQuiet(t *testing.T) {
	for name, opts := range map[string]OutputOptions{"none": {Progress: "none"}, "quiet": {Quiet: true, Verbose: 1, Progress: "bar"}} {
		s := newScreen(t, opts)
		s.progress(0, "50%")
		s.progress(time.Hour, "60%")
		s.want("", "")
		s.Line("a line")
		s.Decision("a decision")
		s.Warn(Warning{Code: "corrupt", Text: "wrong hash"})
		if name == "quiet" {
			s.want("", "")
		}
	}
}

func TestProgressInJSONComesEveryStatsUnlessUnwanted(t *testing.T) {
	for _, test := range []struct {
		opts OutputOptions
		want bool
	}{
		{OutputOptions{JSON: true}, true},
		{OutputOptions{JSON: true, Progress: "none"}, false},
		{OutputOptions{JSON: true, Quiet: true}, false},
	} {
		s := newScreen(t, test.opts)
		s.ProgressDue(epoch)
		if got := s.ProgressDue(epoch.Add(time.Hour)); got != test.want {
			t.Errorf("%+v: got progress due %t, want %t", test.opts, got, test.want)
		}
		s.Event("stopped", struct{}{})
		s.want(`{"v":2,"type":"stopped"}`+"\n", "")
	}
}

func TestAStatusLineThatWasAskedForStays(t *testing.T) {
	asked := make(chan os.Signal, 1)
	for _, progress := range []string{"bar", "none"} {
		s := newScreen(t, OutputOptions{Progress: progress})
		s.requests = asked
		if progress == "bar" {
			s.progress(0, " 1%")
			s.want("", "\r 1%\x1b[K")
			asked <- syscall.SIGINT // any
			s.progress(1, " 2%")
			s.want("", "\r\x1b[K 2%\n")
			continue
		}
		asked <- syscall.SIGINT
		s.progress(1, " 2%")
		s.want("", " 2%\n")
		s.progress(time.Hour, " 3%")
		s.want("", "")
	}
}

func TestALogIsNotFilledWhileWaiting(t *testing.T) {
	s := newScreen(t, OutputOptions{Progress: "plain"})
	s.WaitingLine("nothing heard")
	s.want("", "")
	s.asked = true
	s.WaitingLine("nothing heard")
	s.want("", "nothing heard\n")
}

func TestDecisionsAreForVerbose(t *testing.T) {
	s := newScreen(t, OutputOptions{})
	s.Decision("joined")
	s.want("", "")
	s = newScreen(t, OutputOptions{Verbose: 1})
	s.Decision("joined %d", 2)
	s.want("", "joined 2\n")
}

func TestTheEndOfACommand(t *testing.T) {
	failure := WithCode(ExitSilence, errors.New("nothing heard"))
	event := `{"v":2,"type":"error","exit_code":4,"text":"nothing heard","code":"silence","fix":"see the warnings before it, which name the likely causes"}` + "\n"
	shown := func(err error) bool { return errors.As(err, new(*ShownError)) }

	s := newScreen(t, OutputOptions{})
	if err := s.Close(failure); shown(err) || ExitCode(err) != ExitSilence {
		t.Errorf("got %v", err)
	}
	s.want("", "")

	s = newScreen(t, OutputOptions{JSON: true})
	if err := s.Close(failure); shown(err) || ExitCode(err) != ExitSilence {
		t.Errorf("got %v with JSON on stdout", err)
	}
	s.want(event, "")

	s = newScreen(t, OutputOptions{JSON: true})
	s.events = s.text
	if err := s.Close(failure); !shown(err) || ExitCode(err) != ExitSilence {
		t.Errorf("got %v; where JSON is on stderr, it has to be alone", err)
	}
	s.want("", event)

	s = newScreen(t, OutputOptions{})
	if err := s.Close(SignalError{syscall.SIGINT}); !shown(err) || ExitCode(err) != 130 {
		t.Errorf("got %v after a signal, want nothing more to say", err)
	}
	if err := s.Close(nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	s.want("", "")
}

func TestOutputOptionsAreChecked(t *testing.T) {
	tests := []struct {
		opts OutputOptions
		want string
	}{
		{OutputOptions{Progress: "plain", Stats: time.Second}, ""},
		{OutputOptions{Progress: "fast", Stats: time.Second}, `--progress "fast": want auto, bar, plain or none`},
		{OutputOptions{Progress: "auto"}, "--stats 0s: want a time, such as 10s"},
	}
	for _, test := range tests {
		got := ""
		if err := test.opts.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v: got %q, want %q", test.opts, got, test.want)
		}
	}
}

func TestLogRecordsReadLikeOtherLines(t *testing.T) {
	s := newScreen(t, OutputOptions{Verbose: 1})
	group := slog.Any("group", netip.MustParseAddr("239.1.2.3"))
	s.Logger().Debug("group joined", "interface", "eth0", group, "source", netip.Addr{})
	s.want("", "group joined (interface eth0, group 239.1.2.3)\n")
	s.Logger().With("interface", "eth0").Warn("group not joined", group, "error", errors.New("no such device"))
	s.want("", "warning: group not joined (interface eth0, group 239.1.2.3): no such device [network]\n")
	s.Logger().Warn("sending works again")
	s.want("", "warning: sending works again [network]\n")

	s.Log().Warn("group not joined", "interface", "eth0", "source", netip.Addr{}, "error", errors.New("no such device"))
	s.want("", "warning: group not joined (interface eth0): no such device [network]\n")
	s.Log().Info("group joined", "interface", "eth0")
	s.want("", "group joined (interface eth0)\n")

	s = newScreen(t, OutputOptions{})
	s.Logger().Debug("group joined")
	s.Log().Debug("group joined")
	s.want("", "")
	s = newScreen(t, OutputOptions{Quiet: true})
	s.Logger().Warn("group not joined")
	s.want("", "")
	s = newScreen(t, OutputOptions{JSON: true})
	s.Logger().Warn("sending failed", "error", errors.New("no link"))
	s.want(`{"v":2,"type":"warn","code":"network","text":"sending failed: no link"}`+"\n", "")
}
