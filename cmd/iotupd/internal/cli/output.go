// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"iotupd/cmd/iotupd/internal/cobra"
)

// OutputOptions are the flags about what is shown, the same for all commands.
type OutputOptions struct {
	Quiet    bool
	Verbose  int
	JSON     bool
	Progress string
	Stats    time.Duration
}

// AddFlags declares the flags.
func (o *OutputOptions) AddFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.Quiet, "quiet", "q", false, "print errors only; with --json: no progress")
	flags.CountVarP(&o.Verbose, "verbose", "v", "``print decisions; twice: groups too") // no value to name
	flags.BoolVar(&o.JSON, "json", false, "print events as JSON lines, on stdout, or on stderr if the file goes to stdout")
	flags.StringVar(&o.Progress, "progress", "auto", "`kind` of progress: bar (a live line), plain (a line every --stats) or none; auto is bar on a terminal and else plain")
	flags.DurationVar(&o.Stats, "stats", 10*time.Second, "`time` between plain progress lines")
	flags.BoolP("help", "h", false, "print this help")
	Under(flags, "Output")
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
// Progress line, and JSON events. Lines, warnings and events may come from any
// goroutine; progress and close are for one.
type Output struct {
	opts  OutputOptions
	every time.Duration // between progress lines; 0: none
	live  bool          // the progress line is rewritten in place
	last  time.Time     // of the last progress line

	requests <-chan os.Signal // for a status line
	stop     func()
	asked    bool // one came
	asks     *asks

	mu     sync.Mutex
	text   io.Writer
	JSON   io.Writer // nil: no JSON
	stdout io.Writer
	drawn  bool  // a live line is on the screen
	failed error // the first failure to write to stdout
}

// NewOutput returns an output that writes lines to std.err, results to std.out
// and events to events.
func NewOutput(opts OutputOptions, std Stdio, events io.Writer) *Output {
	o := &Output{opts: opts, text: std.Err, stdout: std.Out}
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
		o.JSON = events
	}
	o.requests, o.stop = statusRequests()
	return o
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Close ends the output of a command that ended with err, and returns err, as
// a shownError if there is no more to say about it. What stdout did not take is
// an error too.
func (o *Output) Close(err error) error {
	o.stop()
	o.mu.Lock()
	o.clear()
	failed := o.failed
	o.mu.Unlock()
	if err == nil {
		return WithCode(ExitLocalIO, failed)
	}
	o.Event("error", errorEvent{ExitCode: ExitCode(err), Text: err.Error()})
	// After a signal, the user knows. Where JSON is on stderr, it is alone there.
	if errors.As(err, new(SignalError)) || o.JSON == o.text {
		return &ShownError{err}
	}
	return err
}

type errorEvent struct {
	ExitCode int    `json:"exit_code"`
	Text     string `json:"text"`
}

// clear removes the live line. The caller holds o.mu.
func (o *Output) clear() {
	if o.drawn {
		fmt.Fprint(o.text, "\r\x1b[K")
		o.drawn = false
	}
}

// Line prints a line for a person, unless JSON or quiet was asked for.
func (o *Output) Line(format string, args ...any) {
	if o.opts.Quiet || o.JSON != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	fmt.Fprintf(o.text, format+"\n", args...)
}

// Result prints what a command found out, unless JSON or quiet was asked for.
func (o *Output) Result(text string) {
	if o.opts.Quiet || o.JSON != nil {
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
func (o *Output) write(w io.Writer, b []byte) {
	_, err := w.Write(b)
	if err != nil && o.failed == nil && w != o.text && !errors.Is(err, syscall.EPIPE) {
		o.failed = err
	}
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

// EndProgress removes the live line, so that another writer can go on.
func (o *Output) EndProgress() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

// Width returns the width of the terminal in columns, or another one if there
// is none.
func (o *Output) width(otherwise int) int {
	if f, ok := o.text.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return otherwise
}

// Event prints a JSON line {"v":1,"type":...} with the fields of data.
func (o *Output) Event(typ string, data any) {
	if o.JSON == nil {
		return
	}
	line := appendText([]byte(`{"v":1,"type":`), typ)
	line = append(appendFields(line, reflect.Indirect(reflect.ValueOf(data))), '}')
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(o.JSON, append(line, '\n'))
}

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

// ProgressLine shows how far it is, in ASCII. What a signal asked for stays on
// the screen.
func (o *Output) ProgressLine(line string) {
	asked := o.asked
	o.asked = false
	if o.JSON != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if asked || !o.live {
		o.clear()
		fmt.Fprintln(o.text, line)
		return
	}
	line = line[:min(len(line), max(0, o.width(HelpWidth)-3))] // room for ^C
	fmt.Fprintf(o.text, "\r%s\x1b[K", line)
	o.drawn = true
}
