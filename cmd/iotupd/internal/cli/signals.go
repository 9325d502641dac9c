// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echo is how long after the first signal another one of the same kind is taken
// for the same wish: timeout(1) signals its child, and then the group of both.
const echo = 300 * time.Millisecond

// WithSignals returns a context that the first SIGINT, SIGTERM or SIGHUP ends,
// with a signalError as its cause. The second one ends the process at once.
func WithSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // it is, under nohup
		signal.Notify(ch, syscall.SIGHUP)
	}
	go heed(ch, cancel, os.Exit)
	return ctx, func() {
		signal.Stop(ch)
		close(ch)
		cancel(nil)
	}
}

// heed does what signals ask for until their channel is closed: the first one
// cancels, the second one exits. An exit that returns ends it.
func heed(signals <-chan os.Signal, cancel context.CancelCauseFunc, exit func(code int)) {
	first, ok := <-signals
	if !ok {
		return
	}
	at := time.Now()
	cancel(SignalError{first.(syscall.Signal)})
	for second := range signals {
		if second != first || time.Since(at) > echo {
			exit(ExitSignal + int(second.(syscall.Signal)))
			return
		}
	}
}
