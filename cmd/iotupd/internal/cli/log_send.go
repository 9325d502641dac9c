// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend

package cli

import (
	"context"
	"log/slog"
)

// Logger returns a logger for senders, which prints what [Output.Log] does.
func (o *Output) Logger() *slog.Logger { return slog.New(logHandler{log: o.Log()}) }

type logHandler struct {
	log  Log
	args []any // keys and values of every record
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.log.out.opts.Verbose > 0
}

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	args := h.args[:len(h.args):len(h.args)]
	r.Attrs(func(a slog.Attr) bool {
		args = append(args, a.Key, a.Value.Any())
		return true
	})
	h.log.print(r.Level >= slog.LevelWarn, r.Message, args)
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	args := h.args[:len(h.args):len(h.args)]
	for _, a := range attrs {
		args = append(args, a.Key, a.Value.Any())
	}
	return logHandler{h.log, args}
}

// WithGroup ignores the group: nothing below uses any.
func (h logHandler) WithGroup(string) slog.Handler { return h }
