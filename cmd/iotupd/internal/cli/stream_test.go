// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A stuck writer takes nothing until it is released, as a pipe that is full or a
// terminal that was stopped.
type stuck struct {
	bytes.Buffer
	release chan struct{}
	writes  chan struct{} // closed by the first write
	once    sync.Once
}

func newStuck() *stuck { return &stuck{release: make(chan struct{}), writes: make(chan struct{})} }

func (s *stuck) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.writes) })
	<-s.release
	return s.Buffer.Write(b)
}

// lines returns what was written, cut into lines.
func (s *stuck) lines() []string { return strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n") }

// event is an event of a test.
type numbered struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// readEvents returns the types of events, and checks that numbered ones and gaps add
// up: it returns how many there were, and how many were missing.
func readEvents(t *testing.T, lines []string) (types []string, got, missing int) {
	t.Helper()
	for _, line := range lines {
		var e struct {
			Type   string `json:"type"`
			N      int    `json:"n"`
			Events int    `json:"events"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if len(types) == 0 || types[len(types)-1] != e.Type {
			types = append(types, e.Type)
		}
		missing += e.Events
		if e.Type == "numbered" {
			if e.N != got+missing {
				t.Fatalf("event %d comes after %d and a gap of %d", e.N, got, missing)
			}
			got++
		}
	}
	return types, got, missing
}

// "Output that nobody reads is bounded (events; then a counted gap), never waited
// for": all this comes to an end though nobody reads.
func TestEventsThatNobodyReadsLeaveACountedGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newStuck()
		opts := OutputOptions{JSON: true, Progress: "auto", Stats: time.Second}
		out := NewOutput(t.Context(), opts, Stdio{Out: pipe, Err: new(bytes.Buffer)}, pipe)
		const all = 10_000
		for n := range all {
			out.Event("numbered", numbered{n, strings.Repeat("x", 100)})
			<-pipe.writes // else the first one makes room later
		}
		if room := out.events.bytes; room > streamRoom {
			t.Errorf("%d bytes wait, more than %d", room, streamRoom)
		}
		out.Final("done", struct{}{}, "ok")
		close(pipe.release)
		if err := out.Close(nil); err != nil {
			t.Error(err)
		}
		types, got, missing := readEvents(t, pipe.lines())
		if fmt.Sprint(types) != "[numbered gap done]" || got+missing != all || got == 0 {
			t.Errorf("got %v with %d events and %d missing, want all %d, a gap, and the result", types, got, missing, all)
		}
	})
}

func TestAReaderThatComesBackSeesTheGapAtOnce(t *testing.T) {
	pipe := newStuck()
	out := NewOutput(t.Context(), OutputOptions{JSON: true, Progress: "auto"}, Stdio{Out: pipe, Err: new(bytes.Buffer)}, pipe)
	for n := range 10_000 {
		out.Event("numbered", numbered{n, strings.Repeat("x", 100)})
		<-pipe.writes
	}
	close(pipe.release)
	out.events.flush(readerTimeout{}) // though nothing else happens
	if types, got, missing := readEvents(t, pipe.lines()); fmt.Sprint(types) != "[numbered gap]" || got+missing != 10_000 {
		t.Errorf("got %v with %d events and %d missing", types, got, missing)
	}
	out.Event("numbered", numbered{10_000, ""})
	out.Close(nil)
	if types, _, _ := readEvents(t, pipe.lines()); fmt.Sprint(types) != "[numbered gap numbered]" {
		t.Errorf("got %v", types)
	}
}

func TestProgressInJSONLeavesRoomForOtherEvents(t *testing.T) {
	pipe := newStuck()
	out := NewOutput(t.Context(), OutputOptions{JSON: true, Progress: "auto"}, Stdio{Out: pipe, Err: new(bytes.Buffer)}, pipe)
	for range 10_000 {
		out.Event("progress", numbered{0, strings.Repeat("x", 100)})
		<-pipe.writes
	}
	out.Warn(Warning{Code: "corrupt", Text: "wrong"})
	close(pipe.release)
	out.Close(nil)
	if types, _, _ := readEvents(t, pipe.lines()); fmt.Sprint(types) != "[progress gap warn]" {
		t.Errorf("got %v", types)
	}
}

func TestLinesOfAStoppedTerminalAreDropped(t *testing.T) {
	terminal := newStuck()
	out := NewOutput(t.Context(), OutputOptions{Progress: "bar"}, Stdio{Out: new(bytes.Buffer), Err: terminal}, nil)
	out.Line("first")
	for n := range 10_000 { // of the live line, only the last one counts
		if out.ProgressDue(epoch.Add(time.Duration(n) * LiveEvery)) {
			out.ProgressLine(fmt.Sprintf(" %d", n))
		}
	}
	if n := len(out.text.queue); n > 1 {
		t.Errorf("%d entries wait, want one line", n)
	}
	close(terminal.release)
	out.text.flush(readerTimeout{})
	if got, want := terminal.String(), "first\n\r 9999\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMissingLinesAreCounted(t *testing.T) {
	log := newStuck()
	out := NewOutput(t.Context(), OutputOptions{Progress: "plain"}, Stdio{Out: new(bytes.Buffer), Err: log}, nil)
	const all = 10_000
	for range all {
		out.Line("%s", strings.Repeat("x", 100))
		<-log.writes
	}
	out.Final("done", struct{}{}, "ok")
	close(log.release)
	out.Close(nil)
	lines := log.lines()
	want := fmt.Sprintf("(%d lines are missing here: nobody read them in time)", all-(len(lines)-2))
	if n := len(lines); n < 100 || lines[n-2] != want || lines[n-1] != "ok" {
		t.Errorf("got %d lines, at the end %q, want %q and the result", n, lines[max(0, n-2):], want)
	}
}

// "The final result must be given a fair, bounded chance to be written at exit."
func TestCloseWaitsForAReaderForAWhile(t *testing.T) {
	done := func(err error, opts OutputOptions) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			pipe := newStuck()
			defer close(pipe.release)
			out := NewOutput(t.Context(), opts, Stdio{Out: pipe, Err: pipe}, pipe)
			out.Final("done", struct{}{}, "ok")
			began := time.Now()
			out.Close(err)
			took = time.Since(began)
		})
		return took
	}
	for _, opts := range []OutputOptions{{}, {JSON: true}} {
		if got, want := done(nil, opts), closing.each; got != want {
			t.Errorf("%+v: Close took %v, want %v", opts, got, want)
		}
		if got, want := done(SignalError{syscall.SIGTERM}, opts), closingBySignal.each; got != want {
			t.Errorf("%+v: after a signal, Close took %v, want %v", opts, got, want)
		}
	}
}

func TestCloseGoesOnWhileAReaderReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newStuck()
		out := NewOutput(t.Context(), OutputOptions{JSON: true}, Stdio{Out: pipe, Err: new(bytes.Buffer)}, pipe)
		for n := range 5 {
			out.Event("numbered", numbered{n, ""})
		}
		go func() {
			for range 5 { // slower than readerTimeout.all allows for all of them
				time.Sleep(closing.all / 6)
				pipe.release <- struct{}{}
			}
		}()
		out.Close(nil)
		if _, got, _ := readEvents(t, pipe.lines()); got != 5 {
			t.Errorf("got %d of 5 events", got)
		}
	})
}

// What inspect and bench print is all that they are for: a pager may take its time.
func TestResultsWaitForTheirReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pager := newStuck()
		out := NewOutput(t.Context(), OutputOptions{WaitForReader: true}, Stdio{Out: pager, Err: new(bytes.Buffer)}, nil)
		time.AfterFunc(time.Hour, func() { close(pager.release) })
		const all = 10_000
		for range all {
			out.Result(strings.Repeat("x", 100) + "\n")
		}
		out.Close(nil)
		if n := len(pager.lines()); n != all {
			t.Errorf("got %d of %d lines", n, all)
		}
	})
}

// The process of a command that hangs says so before it ends.
func TestTheEndOfACommandThatHangsIsShown(t *testing.T) {
	for _, test := range []struct {
		late bool
		json string
		text string
	}{
		{true, `{"v":2,"type":"error","exit_code":143,"text":"stopped by terminated","code":"signal"}` + "\n",
			"\r 1%\x1b[K\r\x1b[Kstopped, without waiting for a disk, a pipe or a network that does not react\n"},
		{false, "", "\r 1%\x1b[K\r\x1b[K"}, // by the second signal: who sends it knows
	} {
		for _, isJSON := range []bool{true, false} {
			var stdout, stderr bytes.Buffer
			ended := make(chan struct{})
			e := newEnding(func(int) { close(ended) })
			ctx := context.WithValue(t.Context(), endingKey{}, e)
			out := NewOutput(ctx, OutputOptions{JSON: isJSON, Progress: "bar", Stats: 1}, Stdio{&stdout, &stderr}, &stdout)
			if out.ProgressDue(epoch) {
				out.ProgressLine(" 1%")
				out.text.flush(readerTimeout{})
			}
			e.end(SignalError{syscall.SIGTERM}, test.late)
			<-ended
			want := test.text
			if isJSON {
				want = ""
			}
			if got := stderr.String(); got != want {
				t.Errorf("%+v: got %q, want %q", test, got, want)
			}
			if want := test.json; isJSON && stdout.String() != want {
				t.Errorf("%+v: got %q", test, stdout.String())
			}
			out.stop()
		}
	}
}

// A pipe of the system, not of a test: nobody waits for it.
func TestAFullPipeHoldsNobodyUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := NewOutput(t.Context(), OutputOptions{JSON: true}, Stdio{Out: w, Err: new(bytes.Buffer)}, w)
	var printing sync.WaitGroup
	for range 4 {
		printing.Go(func() {
			for n := range 5_000 {
				out.Event("numbered", numbered{n, strings.Repeat("x", 100)})
			}
		})
	}
	printing.Wait()
	r.Close() // and the writer goes on to its end
	out.Close(nil)
	w.Close()
}
