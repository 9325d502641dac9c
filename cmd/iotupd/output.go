// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// outputOptions are the flags about what is shown, the same for all commands.
type outputOptions struct {
	quiet    bool
	verbose  int
	json     bool
	progress string
	stats    time.Duration
}

func (o *outputOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print errors only; with --json: no progress")
	flags.CountVarP(&o.verbose, "verbose", "v", "``print decisions; twice: groups too") // no value to name
	flags.BoolVar(&o.json, "json", false, "print events as JSON lines, on stdout, or on stderr if the file goes to stdout")
	flags.StringVar(&o.progress, "progress", "auto", "`kind` of progress: bar (a live line), plain (a line every --stats) or none; auto is bar on a terminal and else plain")
	flags.DurationVar(&o.stats, "stats", 10*time.Second, "`time` between plain progress lines")
	flags.BoolP("help", "h", false, "print this help")
	under(flags, "Output")
}

var progressKinds = []string{"auto", "bar", "plain", "none"}

func (o *outputOptions) validate() error {
	switch {
	case !slices.Contains(progressKinds, o.progress):
		return usageError("--progress %q: want %s", o.progress, choice(progressKinds))
	case o.stats <= 0:
		return usageError("--stats %v: want a time, such as 10s", o.stats)
	}
	return nil
}

// choice lists words to choose from.
func choice(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (o *outputOptions) completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"progress": oneOf(progressKinds...),
		"stats":    cobra.NoFileCompletions,
	}
}

// liveEvery bounds how often the live line changes.
const liveEvery = 200 * time.Millisecond

// An output prints what a command has to say: lines for a person, a live
// progress line, and JSON events. Lines, warnings and events may come from any
// goroutine; progress and close are for one.
type output struct {
	opts  outputOptions
	every time.Duration // between progress lines; 0: none
	live  bool          // the progress line is rewritten in place
	last  time.Time     // of the last progress line

	requests <-chan os.Signal // for a status line
	stop     func()
	asked    bool // one came

	mu     sync.Mutex
	text   io.Writer
	json   io.Writer // nil: no JSON
	stdout io.Writer
	drawn  bool  // a live line is on the screen
	failed error // the first failure to write to stdout
}

// newOutput returns an output that writes lines to std.err, results to std.out
// and events to events.
func newOutput(opts outputOptions, std stdio, events io.Writer) *output {
	o := &output{opts: opts, text: std.err, stdout: std.out}
	terminal := isTerminal(std.err) && os.Getenv("TERM") != "dumb"
	switch {
	case opts.progress == "none" || opts.quiet:
	case opts.json:
		o.every = opts.stats
	case opts.progress == "bar" || opts.progress == "auto" && terminal:
		o.live, o.every = true, liveEvery
	default:
		o.every = opts.stats
	}
	if opts.json {
		o.json = events
	}
	o.requests, o.stop = statusRequests()
	return o
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// close ends the output of a command that ended with err, and returns err, as
// a shownError if there is no more to say about it. What stdout did not take is
// an error too.
func (o *output) close(err error) error {
	o.stop()
	o.mu.Lock()
	o.clear()
	failed := o.failed
	o.mu.Unlock()
	if err == nil {
		return withCode(exitLocalIO, failed)
	}
	o.event("error", errorEvent{ExitCode: exitCode(err), Text: err.Error()})
	// After a signal, the user knows. Where JSON is on stderr, it is alone there.
	if errors.As(err, new(signalError)) || o.json == o.text {
		return &shownError{err}
	}
	return err
}

type errorEvent struct {
	ExitCode int    `json:"exit_code"`
	Text     string `json:"text"`
}

// clear removes the live line. The caller holds o.mu.
func (o *output) clear() {
	if o.drawn {
		fmt.Fprint(o.text, "\r\x1b[K")
		o.drawn = false
	}
}

// line prints a line for a person, unless JSON or quiet was asked for.
func (o *output) line(format string, args ...any) {
	if o.opts.quiet || o.json != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	fmt.Fprintf(o.text, format+"\n", args...)
}

// result prints what a command found out, unless JSON or quiet was asked for.
func (o *output) result(text string) {
	if o.opts.quiet || o.json != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	o.write(o.stdout, []byte(text))
}

// write writes, and remembers a failure, unless it is that of a log, or of a pipe
// that nobody reads any more: a command that goes on all the same has other work.
// The caller holds o.mu.
func (o *output) write(w io.Writer, b []byte) {
	_, err := w.Write(b)
	if err != nil && o.failed == nil && w != o.text && !errors.Is(err, syscall.EPIPE) {
		o.failed = err
	}
}

// decision prints a line that -v asks for.
func (o *output) decision(format string, args ...any) {
	if o.opts.verbose >= 1 {
		o.line(format, args...)
	}
}

// A warning is something that the user should look at.
type warning struct {
	Code string `json:"code"` // stable
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"` // what to try
}

func (o *output) warn(w warning) {
	o.event("warn", w)
	text := append(strings.Fields(w.Text), "["+w.Code+"]")
	o.line("%s", wrap("warning:", text, layout{width: o.width(math.MaxInt), indent: 2}))
	if w.Fix != "" {
		o.line("  try: %s", w.Fix) // in one piece, to be copied
	}
}

// endProgress removes the live line, so that another writer can go on.
func (o *output) endProgress() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

// width returns the width of the terminal in columns, or another one if there
// is none.
func (o *output) width(otherwise int) int {
	if f, ok := o.text.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return otherwise
}

// event prints a JSON line {"v":1,"type":...} with the fields of data.
func (o *output) event(typ string, data any) {
	if o.json == nil {
		return
	}
	// A struct cannot embed any, so the fields are joined as JSON.
	line, err1 := json.Marshal(struct {
		V    int    `json:"v"`
		Type string `json:"type"`
	}{1, typ})
	fields, err2 := json.Marshal(data)
	if err1 != nil || err2 != nil {
		panic("iotupd: internal error: an event that is not JSON")
	}
	if string(fields) != "{}" {
		line = append(append(line[:len(line)-1], ','), fields[1:]...)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(o.json, append(line, '\n'))
}

// progressDue reports whether the next progress line is due, or was asked for
// by a signal.
func (o *output) progressDue(now time.Time) bool {
	select {
	case <-o.requests:
		o.asked = true
		return true
	default:
	}
	if o.every == 0 || now.Sub(o.last) < o.every {
		return false
	}
	first := o.last.IsZero()
	o.last = now
	return !first || o.live // the first plain line comes after --stats
}

// waitingLine shows, in ASCII, that there is no progress yet. Plain output,
// which may go to a log for days, is spared it.
func (o *output) waitingLine(line string) {
	if o.live || o.asked {
		o.progressLine(line)
	}
}

// progressLine shows how far it is, in ASCII. What a signal asked for stays on
// the screen.
func (o *output) progressLine(line string) {
	asked := o.asked
	o.asked = false
	if o.json != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if asked || !o.live {
		o.clear()
		fmt.Fprintln(o.text, line)
		return
	}
	line = line[:min(len(line), max(0, o.width(helpWidth)-3))] // room for ^C
	fmt.Fprintf(o.text, "\r%s\x1b[K", line)
	o.drawn = true
}
