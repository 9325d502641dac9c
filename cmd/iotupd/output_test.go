// SPDX-License-Identifier: GPL-2.0-or-later

package main

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
	*output
	stdout, stderr bytes.Buffer
}

func newScreen(t *testing.T, opts outputOptions) *screen {
	if opts.progress == "" {
		opts.progress = "auto"
	}
	if opts.stats == 0 {
		opts.stats = 10 * time.Second
	}
	s := &screen{T: t}
	s.output = newOutput(opts, stdio{&s.stdout, &s.stderr}, &s.stdout)
	t.Cleanup(s.stop)
	return s
}

// want compares what was printed since the last call.
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

// progress shows a line at the given time if it is due.
func (s *screen) progress(at time.Duration, line string) {
	if s.progressDue(epoch.Add(at)) {
		s.progressLine(line)
	}
}

func TestEventsAreLinesOfJSONWithVersionAndType(t *testing.T) {
	s := newScreen(t, outputOptions{json: true})
	s.event("stopped", stoppedEvent{Loops: 1.5, Packets: 7, Seconds: 2})
	s.event("empty", struct{}{})
	s.warn(warning{Code: "corrupt", Text: "wrong \"hash\"", Fix: "again"})
	s.want(`{"v":1,"type":"stopped","loops":1.5,"packets":7,"seconds":2}`+"\n"+
		`{"v":1,"type":"empty"}`+"\n"+
		`{"v":1,"type":"warn","code":"corrupt","text":"wrong \"hash\"","fix":"again"}`+"\n", "")
	s.line("for people")
	s.progress(time.Hour, "for people")
	s.want("", "")
}

func TestWithoutJSONEventsAreSilent(t *testing.T) {
	s := newScreen(t, outputOptions{})
	s.event("stopped", stoppedEvent{})
	s.warn(warning{Code: "corrupt", Text: "wrong hash", Fix: "again"})
	s.want("", "warning: wrong hash [corrupt]\n  try: again\n")
}

func TestTheLiveLineIsClearedBeforeALine(t *testing.T) {
	s := newScreen(t, outputOptions{progress: "bar"})
	s.progress(0, " 1%")
	s.want("", "\r 1%\x1b[K")
	s.line("news of %s", "fw.bin")
	s.want("", "\r\x1b[Knews of fw.bin\n")
	s.line("more")
	s.want("", "more\n")
	s.progress(liveEvery-1, " 2%")
	s.want("", "")
	s.progress(liveEvery, " 3%")
	s.want("", "\r 3%\x1b[K")
	s.close(nil)
	s.want("", "\r\x1b[K")
}

func TestTheLiveLineFitsTheTerminal(t *testing.T) {
	s := newScreen(t, outputOptions{progress: "bar"})
	line := string(bytes.Repeat([]byte("x"), 200))
	s.progress(0, line)
	s.want("", "\r"+line[:helpWidth-3]+"\x1b[K")
}

func TestPlainLinesComeEveryStats(t *testing.T) {
	for _, progress := range []string{"plain", "auto"} { // auto: the output is no terminal
		s := newScreen(t, outputOptions{progress: progress, stats: time.Minute})
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
	for name, opts := range map[string]outputOptions{"none": {progress: "none"}, "quiet": {quiet: true, verbose: 1, progress: "bar"}} {
		s := newScreen(t, opts)
		s.progress(0, "50%")
		s.progress(time.Hour, "60%")
		s.want("", "")
		s.line("a line")
		s.decision("a decision")
		s.warn(warning{Code: "corrupt", Text: "wrong hash"})
		if name == "quiet" {
			s.want("", "")
		}
	}
}

func TestProgressInJSONComesEveryStatsUnlessUnwanted(t *testing.T) {
	for _, test := range []struct {
		opts outputOptions
		want bool
	}{
		{outputOptions{json: true}, true},
		{outputOptions{json: true, progress: "none"}, false},
		{outputOptions{json: true, quiet: true}, false},
	} {
		s := newScreen(t, test.opts)
		s.progressDue(epoch)
		if got := s.progressDue(epoch.Add(time.Hour)); got != test.want {
			t.Errorf("%+v: got progress due %t, want %t", test.opts, got, test.want)
		}
		s.event("stopped", struct{}{})
		s.want(`{"v":1,"type":"stopped"}`+"\n", "")
	}
}

func TestAStatusLineThatWasAskedForStays(t *testing.T) {
	asked := make(chan os.Signal, 1)
	for _, progress := range []string{"bar", "none"} {
		s := newScreen(t, outputOptions{progress: progress})
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
	s := newScreen(t, outputOptions{progress: "plain"})
	s.waitingLine("nothing heard")
	s.want("", "")
	s.asked = true
	s.waitingLine("nothing heard")
	s.want("", "nothing heard\n")
}

func TestDecisionsAreForVerbose(t *testing.T) {
	s := newScreen(t, outputOptions{})
	s.decision("joined")
	s.want("", "")
	s = newScreen(t, outputOptions{verbose: 1})
	s.decision("joined %d", 2)
	s.want("", "joined 2\n")
}

func TestTheEndOfACommand(t *testing.T) {
	failure := withCode(exitSilence, errors.New("nothing heard"))
	event := `{"v":1,"type":"error","exit_code":4,"text":"nothing heard"}` + "\n"
	shown := func(err error) bool { return errors.As(err, new(*shownError)) }

	s := newScreen(t, outputOptions{})
	if err := s.close(failure); shown(err) || exitCode(err) != exitSilence {
		t.Errorf("got %v", err)
	}
	s.want("", "")

	s = newScreen(t, outputOptions{json: true})
	if err := s.close(failure); shown(err) || exitCode(err) != exitSilence {
		t.Errorf("got %v with JSON on stdout", err)
	}
	s.want(event, "")

	s = newScreen(t, outputOptions{json: true})
	s.json = &s.stderr
	if err := s.close(failure); !shown(err) || exitCode(err) != exitSilence {
		t.Errorf("got %v; where JSON is on stderr, it has to be alone", err)
	}
	s.want("", event)

	s = newScreen(t, outputOptions{})
	if err := s.close(signalError{syscall.SIGINT}); !shown(err) || exitCode(err) != 130 {
		t.Errorf("got %v after a signal, want nothing more to say", err)
	}
	if err := s.close(nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	s.want("", "")
}

func TestOutputOptionsAreChecked(t *testing.T) {
	tests := []struct {
		opts outputOptions
		want string
	}{
		{outputOptions{progress: "plain", stats: time.Second}, ""},
		{outputOptions{progress: "fast", stats: time.Second}, `--progress "fast": want auto, bar, plain or none`},
		{outputOptions{progress: "auto"}, "--stats 0s: want a time, such as 10s"},
	}
	for _, test := range tests {
		got := ""
		if err := test.opts.validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v: got %q, want %q", test.opts, got, test.want)
		}
	}
}

func TestLogRecordsReadLikeOtherLines(t *testing.T) {
	s := newScreen(t, outputOptions{verbose: 1})
	group := slog.Any("group", netip.MustParseAddr("239.1.2.3"))
	s.logger().Debug("group joined", "interface", "eth0", group, "source", netip.Addr{})
	s.want("", "group joined (interface eth0, group 239.1.2.3)\n")
	s.logger().With("interface", "eth0").Warn("group not joined", group, "error", errors.New("no such device"))
	s.want("", "warning: group not joined (interface eth0, group 239.1.2.3): no such device [network]\n")
	s.logger().Warn("sending works again")
	s.want("", "warning: sending works again [network]\n")

	s = newScreen(t, outputOptions{})
	s.logger().Debug("group joined")
	s.want("", "")
	s = newScreen(t, outputOptions{quiet: true})
	s.logger().Warn("group not joined")
	s.want("", "")
	s = newScreen(t, outputOptions{json: true})
	s.logger().Warn("sending failed", "error", errors.New("no link"))
	s.want(`{"v":1,"type":"warn","code":"network","text":"sending failed: no link"}`+"\n", "")
}
