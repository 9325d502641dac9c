// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
)

// Logger returns a logger for the packages below. Their warnings are warnings
// to the user, the rest is what -v asks for.
func (o *Output) Logger() *slog.Logger { return slog.New(logHandler{out: o}) }

// A logHandler prints log records like the other lines of an output.
type logHandler struct {
	out   *Output
	attrs []slog.Attr
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.out.opts.Verbose > 0
}

// Handle prints "message (key value, key value): error".
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	var details []string
	failure := ""
	note := func(a slog.Attr) bool {
		switch addr, isAddr := a.Value.Any().(netip.Addr); {
		case isAddr && !addr.IsValid(): // unset
		case a.Key == "error":
			failure = ": " + a.Value.String()
		default:
			details = append(details, fmt.Sprintf("%s %v", a.Key, a.Value))
		}
		return true
	}
	for _, a := range h.attrs {
		note(a)
	}
	r.Attrs(note)
	text := r.Message
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	text += failure
	if r.Level >= slog.LevelWarn {
		h.out.Warn(Warning{Code: "network", Text: text})
	} else {
		h.out.Decision("%s", text)
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{out: h.out, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup ignores the group: nothing below uses any.
func (h logHandler) WithGroup(string) slog.Handler { return h }
