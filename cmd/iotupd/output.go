// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

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
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print errors only")
	flags.CountVarP(&o.verbose, "verbose", "v", "print decisions; twice: groups too")
	flags.BoolVar(&o.json, "json", false, "print events as JSON lines on stdout (on stderr with -o -)")
	flags.StringVar(&o.progress, "progress", "auto", "`auto|bar|plain|none`: a live line, or a line every --stats; auto: live on a terminal")
	flags.DurationVar(&o.stats, "stats", 10*time.Second, "time between plain progress lines")
}

// liveEvery bounds how often the live line changes.
const liveEvery = 200 * time.Millisecond

// An output prints what a command has to say: lines for a person, a live
// progress line, and JSON events. Its methods are for one goroutine.
type output struct {
	opts  outputOptions
	text  io.Writer
	json  *json.Encoder // nil: no JSON
	every time.Duration // between progress lines; 0: none
	live  bool          // the progress line is rewritten in place
	drawn bool          // one is on the screen
	last  time.Time     // of the last progress line

	requests <-chan os.Signal // for a status line
	stop     func()
}

func newOutput(opts outputOptions, stdout, stderr io.Writer) (*output, error) {
	o := &output{opts: opts, text: stderr}
	terminal := isTerminal(stderr) && os.Getenv("TERM") != "dumb"
	switch {
	case opts.progress == "none" || opts.quiet || opts.json:
	case opts.progress == "bar" || opts.progress == "auto" && terminal:
		o.live, o.every = true, liveEvery
	case opts.progress == "plain" || opts.progress == "auto":
		o.every = opts.stats
	default:
		return nil, usageError("--progress %q: want auto, bar, plain or none", opts.progress)
	}
	if opts.stats <= 0 {
		return nil, usageError("--stats %v: want a time, such as 10s", opts.stats)
	}
	if opts.json {
		o.json = json.NewEncoder(stdout)
		o.every = opts.stats
	}
	o.requests, o.stop = statusRequests()
	return o, nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// close ends the live line.
func (o *output) close() {
	o.clear()
	o.stop()
}

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
	o.clear()
	fmt.Fprintf(o.text, format+"\n", args...)
}

// decision prints a line that -v asks for.
func (o *output) decision(format string, args ...any) {
	if o.opts.verbose >= 1 {
		o.line(format, args...)
	}
}

// warn prints a warning with a stable code.
func (o *output) warn(code, text string) {
	o.line("warning: %s  [%s]", text, code)
	o.event("warn", warnEvent{Code: code, Text: text})
}

type warnEvent struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// event prints a JSON line {"v":1,"type":...} with the fields of data.
func (o *output) event(typ string, data any) {
	if o.json == nil {
		return
	}
	// A struct cannot embed any, so the fields are joined as JSON.
	head, err1 := json.Marshal(struct {
		V    int    `json:"v"`
		Type string `json:"type"`
	}{1, typ})
	body, err2 := json.Marshal(data)
	if err1 != nil || err2 != nil {
		panic("iotupd: internal error: an event that is not JSON")
	}
	if string(body) != "{}" {
		head = append(append(head[:len(head)-1], ','), body[1:]...)
	}
	o.json.Encode(json.RawMessage(head))
}

// progressDue reports whether the next progress line is due, or was asked for
// by a signal.
func (o *output) progressDue(now time.Time) bool {
	select {
	case <-o.requests:
		return true
	default:
	}
	if o.every == 0 || now.Sub(o.last) < o.every {
		return false
	}
	if o.last.IsZero() && !o.live {
		o.last = now // the first plain line comes after --stats
		return false
	}
	o.last = now
	return true
}

// progressLine shows how far it is.
func (o *output) progressLine(line string) {
	if o.json != nil {
		return
	}
	if !o.live {
		fmt.Fprintln(o.text, line)
		return
	}
	if f, ok := o.text.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && len(line) >= width {
			line = line[:width-1]
		}
	}
	fmt.Fprintf(o.text, "\r%s\x1b[K", line)
	o.drawn = true
}

// logger returns a logger for the packages below, which prints like warn.
func (o *output) logger() *slog.Logger {
	level := slog.LevelWarn
	if o.opts.verbose > 0 {
		level = slog.LevelDebug
	}
	if o.opts.quiet {
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(o.text, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
