// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/printable"
	"iotupd/internal/reason"
)

// OutputOptions are the flags about what is shown, the same for all commands.
type OutputOptions struct {
	Quiet    bool
	Verbose  int
	JSON     bool
	Progress string
	Stats    time.Duration

	// WaitForReader is for commands whose only purpose is their output on stdout:
	// they wait for its reader until a signal ends them.
	WaitForReader bool
}

// AddFlags declares the flags.
func (o *OutputOptions) AddFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.Quiet, "quiet", "q", false, "print errors only; with --json: no progress")
	flags.CountVarP(&o.Verbose, "verbose", "v", "``print decisions; -vv: FEC groups too") // no value to name
	flags.BoolVar(&o.JSON, "json", false, "print events as JSON lines on stdout, or on stderr if the file goes to stdout")
	flags.StringVar(&o.Progress, "progress", "auto", "`kind` of progress: bar (a live line), plain (a line every --stats), none, or auto: bar on a terminal, else plain")
	flags.DurationVar(&o.Stats, "stats", 10*time.Second, "`time` between lines of plain progress")
}

var ProgressKinds = []string{"auto", "bar", "plain", "none"}

// Validate reports values that make no sense.
func (o *OutputOptions) Validate() error {
	switch {
	case !slices.Contains(ProgressKinds, o.Progress):
		return UsageError("--progress %q: want %s", o.Progress, Choice(ProgressKinds))
	case o.Stats <= 0:
		return UsageError("--stats %v: want a time, such as 10s", o.Stats)
	}
	return nil
}

// Choice lists words to choose from.
func Choice(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Completions says how the shell completes their values.
func (o *OutputOptions) Completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"progress": OneOf(ProgressKinds...),
		"stats":    cobra.NoFileCompletions,
	}
}

// LiveEvery bounds how often the live line changes.
const LiveEvery = 200 * time.Millisecond

// An Output prints what a command has to say: lines for a person, a live
// Progress line, and JSON events. Nothing waits for a terminal, a pipe or a log that
// takes them, but Close for a while: what nobody reads is left out, and counted.
// Lines, warnings and events may come from any goroutine; progress and close are for
// one.
type Output struct {
	opts  OutputOptions
	every time.Duration // between progress lines; 0: none
	live  bool          // the progress line is rewritten in place
	last  time.Time     // of the last progress line

	requests <-chan os.Signal // for a status line
	stop     func()
	asked    bool // a status line was asked for
	asks     *asks
	forget   func() // ends the call that a signal would make

	text   *stream // for a person
	events *stream // nil: no JSON
	stdout *stream // for results; that of events, if they go there
}

// How long Close waits for readers of the last lines. When a signal ends the
// process, it is less than the time that the process has left.
var (
	closing         = readerTimeout{each: 3 * time.Second, all: 10 * time.Second}
	closingBySignal = readerTimeout{each: 200 * time.Millisecond, all: 200 * time.Millisecond}
)

// NewOutput returns an output that writes lines to std.Err, results to std.Out
// and events to events. ctx is the context of the command.
func NewOutput(ctx context.Context, opts OutputOptions, std Stdio, events io.Writer) *Output {
	o := &Output{opts: opts, text: newStream(std.Err, missingLines), stdout: newStream(std.Out, missingLines)}
	terminal := IsTerminal(std.Err) && os.Getenv("TERM") != "dumb"
	switch {
	case opts.Progress == "none" || opts.Quiet:
	case opts.JSON:
		o.every = opts.Stats
	case opts.Progress == "bar" || opts.Progress == "auto" && terminal:
		o.live, o.every = true, LiveEvery
	default:
		o.every = opts.Stats
	}
	if opts.JSON {
		o.events = newStream(events, missingEvents)
		if events == std.Out {
			o.stdout = o.events
		}
	}
	o.requests, o.stop = statusRequests()
	o.forget = atEnd(ctx, o.abandon)
	return o
}

// missingLines and missingEvents stand for lines and events that were left out.
func missingLines(n int) string {
	return fmt.Sprintf("(%d lines are missing here: nobody read them in time)\n", n)
}

func missingEvents(n int) string { return eventLine("gap", gapEvent{n}) }

type gapEvent struct {
	Events int `json:"events"`
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Close ends the output of a command that ended with err, and returns err, as
// a shownError if there is no more to say about it. What stdout did not take is
// an error too. It waits for readers for a while.
func (o *Output) Close(err error) error {
	defer o.forget()
	o.stop()
	o.text.clear()
	if err == nil {
		o.flush(closing)
		failed := o.stdout.failure()
		if o.events == o.stdout && errors.Is(failed, ErrStdoutClosed) {
			failed = nil // readers of events may go
		}
		return WithCode(ExitLocalIO, failed)
	}
	p, bySignal := closing, errors.As(err, new(SignalError))
	if bySignal {
		p = closingBySignal
	}
	o.failure(err)
	o.flush(p)
	// After a signal, the user knows. Where JSON is on stderr, it is alone there.
	if bySignal || o.events != nil && o.events.to == o.text.to {
		return &ShownError{err}
	}
	return err
}

// failure is the event of the error by which a command ends.
func (o *Output) failure(err error) {
	code := Code(err)
	o.Final("error", errorEvent{ExitCode: ExitCode(err), Text: Lines(err.Error()), Code: code, Fix: reason.CauseOf(code).Advice}, "")
}

// flush waits for readers of what was printed.
func (o *Output) flush(p readerTimeout) {
	var others sync.WaitGroup
	others.Go(func() { o.text.flush(p) })
	if o.events != nil && o.events != o.stdout {
		others.Go(func() { o.events.flush(p) })
	}
	if o.opts.WaitForReader && p == closing {
		o.stdout.flush(readerTimeout{})
	} else {
		o.stdout.flush(p)
	}
	others.Wait()
}

// abandon ends the output of a command that a signal has ended, and that does not
// end by itself.
func (o *Output) abandon(by SignalError, late bool) {
	o.text.clear()
	if late {
		o.failure(by)
		o.Line("stopped, without waiting for a disk, a pipe or a network that does not react")
	}
	o.flush(readerTimeout{each: lastWords, all: lastWords})
}

type errorEvent struct {
	ExitCode int    `json:"exit_code"`
	Text     Lines  `json:"text"`
	Code     string `json:"code"`          // of package reason
	Fix      string `json:"fix,omitempty"` // what to do in general
}

// Line prints a line for a person, unless JSON or quiet was asked for.
func (o *Output) Line(format string, args ...any) { o.line(usualRank, format, args...) }

func (o *Output) line(r rank, format string, args ...any) {
	if !o.opts.Quiet && o.events == nil {
		o.text.put(r, printable.Lines(fmt.Sprintf(format, args...))+"\n")
	}
}

// Result prints the result of a command, unless JSON or quiet was asked for. It
// is for commands that have nothing else to do: it waits for its reader, without
// limit if OutputOptions.WaitForReader is set.
func (o *Output) Result(text string) {
	if o.opts.Quiet || o.events != nil {
		return
	}
	o.EndProgress()
	if o.opts.WaitForReader {
		o.stdout.waitForRoom()
	}
	o.stdout.put(resultRank, printable.Lines(text))
}

// Decision prints a line that -v asks for.
func (o *Output) Decision(format string, args ...any) {
	if o.opts.Verbose >= 1 {
		o.Line(format, args...)
	}
}

// A Warning is something that the user should look at.
type Warning struct {
	Code string `json:"code"` // stable
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"` // what to try
}

// Warn prints a warning for a person, and as an event.
func (o *Output) Warn(w Warning) {
	o.Event("warn", w)
	text := append(strings.Fields(w.Text), "["+w.Code+"]")
	o.Line("%s", Wrap("warning:", text, Layout{Width: o.width(math.MaxInt), Indent: 2}))
	if w.Fix != "" {
		o.Line("  try: %s", w.Fix) // in one piece, to be copied
	}
}

// EndProgress removes the live line, so that another writer can go on. It waits for
// the terminal for a while.
func (o *Output) EndProgress() {
	o.text.clear()
	o.text.flush(closing)
}

// Width returns the width of the terminal in columns, or another one if there
// is none.
func (o *Output) width(otherwise int) int {
	if f, ok := o.text.to.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return otherwise
}

// schemaVersion is that of JSON events, which docs/json.md describes. A key that gets
// another meaning, or is gone, is another version; new keys and events are not.
const schemaVersion = "2"

// Event prints a JSON line {"v":2,"type":...} with the fields of data.
func (o *Output) Event(typ string, data any) {
	r := usualRank
	if typ == "progress" || typ == "totals" {
		r = progressRank
	}
	o.event(r, typ, data)
}

func (o *Output) event(r rank, typ string, data any) {
	if o.events != nil {
		o.events.put(r, eventLine(typ, data))
	}
}

func eventLine(typ string, data any) string {
	line := appendText([]byte(`{"v":`+schemaVersion+`,"type":`), typ)
	line = append(appendFields(line, reflect.Indirect(reflect.ValueOf(data))), '}', '\n')
	return string(line)
}

// Final prints what a command was run for, or how it ended: an event, and a line
// unless format is empty. There is room for it when there is none for other output.
func (o *Output) Final(typ string, data any, format string, args ...any) {
	if o.opts.WaitForReader && o.events != nil {
		o.events.waitForRoom()
	}
	o.event(resultRank, typ, data)
	if format != "" {
		o.line(resultRank, format, args...)
	}
}

// IsJSON reports whether events are printed, and no lines.
func (o *Output) IsJSON() bool { return o.events != nil }

// ProgressDue reports whether the next progress line is due, or was asked for
// by a signal.
func (o *Output) ProgressDue(now time.Time) bool {
	if o.requested() {
		o.asked = true
		return true
	}
	if o.every == 0 || now.Sub(o.last) < o.every {
		return false
	}
	first := o.last.IsZero()
	o.last = now
	o.asks.again(o.every)
	return !first || o.live // the first plain line comes after --stats
}

// WaitingLine shows, in ASCII, that there is no progress yet. Plain output,
// which may go to a log for days, is spared it.
func (o *Output) WaitingLine(line string) {
	if o.live || o.asked {
		o.ProgressLine(line)
	}
}

// ProgressLine shows the progress, in ASCII. A line that a signal asked for stays
// on the screen.
func (o *Output) ProgressLine(line string) {
	line = printable.Text(line)
	asked := o.asked
	o.asked = false
	switch {
	case o.events != nil:
	case asked || !o.live:
		o.text.put(progressRank, line+"\n")
	default:
		o.text.draw(line[:min(len(line), max(0, o.width(HelpWidth)-3))]) // room for ^C
	}
}

// Events returns an example of every event that all commands have, by type, for
// docs/json.md.
func Events() map[string]any {
	return map[string]any{"warn": Warning{}, "error": errorEvent{}, "gap": gapEvent{}}
}
