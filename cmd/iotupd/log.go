// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
)

// logger returns a logger for the packages below. Their warnings are warnings
// to the user, the rest is what -v asks for.
func (o *output) logger() *slog.Logger { return slog.New(logHandler{out: o}) }

// A logHandler prints log records like the other lines of an output.
type logHandler struct {
	out   *output
	attrs []slog.Attr
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.out.opts.verbose > 0
}

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	text.WriteString(r.Message)
	write := func(a slog.Attr) bool {
		switch addr, isAddr := a.Value.Any().(netip.Addr); {
		case isAddr && !addr.IsValid(): // unset
		case a.Key == "error":
			fmt.Fprintf(&text, ": %v", a.Value)
		default:
			fmt.Fprintf(&text, "  %s %v", a.Key, a.Value)
		}
		return true
	}
	for _, a := range h.attrs {
		write(a)
	}
	r.Attrs(write)
	if r.Level >= slog.LevelWarn {
		h.out.warn(warning{Code: "network", Text: text.String()})
	} else {
		h.out.decision("%s", text.String())
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{out: h.out, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup ignores the group: nothing below uses any.
func (h logHandler) WithGroup(string) slog.Handler { return h }
