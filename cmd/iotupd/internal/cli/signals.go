// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	// echo is how long after the first signal another one of the same kind counts
	// as the same request: timeout(1) signals its child, and then the process
	// group of both.
	echo = 300 * time.Millisecond

	// lastWords is how long the end of a process waits for a terminal or a pipe to
	// take its last lines.
	lastWords = 100 * time.Millisecond
)

// EndWithin is how long a command may take to end after the first signal. Then the
// process ends, whatever the command waits for: a disk, a pipe, a name server. Tests
// of what a command does in that time set it, since they run beside any load.
var EndWithin = 600 * time.Millisecond

// WithSignals returns a context that the first SIGINT, SIGTERM or SIGHUP ends,
// with a [SignalError] as its cause. The second one ends the process at once, and
// so does the end of the time that is left after the first one.
func WithSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	e := newEnding(os.Exit)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // it is, under nohup
		signal.Notify(ch, syscall.SIGHUP)
	}
	go e.heed(ch, cancel)
	return context.WithValue(ctx, endingKey{}, e), func() {
		signal.Stop(ch)
		close(ch)
		cancel(nil)
	}
}

// endingKey is the key of the ending in a context.
type endingKey struct{}

// An ending controls how a process ends by signals. A nil ending, in a context
// which no signal ends, does nothing.
type ending struct {
	exit    func(code int)
	changed chan struct{} // holds one element if the time left may have changed

	mu     sync.Mutex
	held   int           // reasons to wait
	since  time.Time     // the time left counts from here
	within time.Duration // of a command that has to say goodbye
	last   map[int]lastAct
	next   int // key in last
}

// A lastAct is called when a signal ends the process. late says that the command
// did not end by itself, so that nothing was printed about it.
type lastAct func(by SignalError, late bool)

func newEnding(exit func(code int)) *ending {
	return &ending{exit: exit, changed: make(chan struct{}, 1), last: make(map[int]lastAct)}
}

func endingOf(ctx context.Context) *ending {
	e, _ := ctx.Value(endingKey{}).(*ending)
	return e
}

// heed does what signals ask for until their channel is closed: the first one
// cancels, the second one exits. It never waits for a file. An exit that returns
// ends it.
func (e *ending) heed(signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	first, ok := <-signals
	if !ok {
		return
	}
	at := time.Now()
	e.begin(at)
	cancel(SignalError{first.(syscall.Signal)})
	late := time.NewTimer(0)
	defer late.Stop()
	for {
		select {
		case second, ok := <-signals:
			if !ok {
				return
			}
			if second != first || time.Since(at) > echo {
				e.end(SignalError{second.(syscall.Signal)}, false)
				return
			}
		case <-e.changed:
			late.Reset(0)
		case now := <-late.C:
			left, counts := e.left(now)
			if counts && left <= 0 {
				e.end(SignalError{first.(syscall.Signal)}, true)
				return
			}
			if counts {
				late.Reset(left)
			}
		}
	}
}

// begin notes when the first signal came.
func (e *ending) begin(at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.since = at
}

// left returns how much time the command has left, if it counts.
func (e *ending) left(now time.Time) (left time.Duration, counts bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.since.Add(max(e.within, EndWithin)).Sub(now), e.held == 0
}

// change changes what left returns.
func (e *ending) change(do func()) {
	e.mu.Lock()
	do()
	e.mu.Unlock()
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// end ends the process.
func (e *ending) end(by SignalError, late bool) {
	e.mu.Lock()
	all := e.last
	e.last = nil
	e.mu.Unlock()
	var acts sync.WaitGroup
	for _, act := range all {
		acts.Go(func() { act(by, late) })
	}
	done := make(chan struct{})
	go func() { acts.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * lastWords): // a terminal that hangs
	}
	e.exit(ExitSignal + int(by.Signal))
}

// Hold makes the end by a signal of ctx wait until it is released. The second
// signal does not wait. It is for a command that has a time limit of its own.
// After the release, the rest has as much time as after a signal.
func Hold(ctx context.Context) (release func()) {
	e := endingOf(ctx)
	if e == nil {
		return func() {}
	}
	e.change(func() { e.held++ })
	return sync.OnceFunc(func() {
		e.change(func() {
			e.held--
			if !e.since.IsZero() {
				e.since = time.Now()
			}
		})
	})
}

// TakesUpTo says that a command takes so long to end after a signal, from now on.
func TakesUpTo(ctx context.Context, within time.Duration) {
	if e := endingOf(ctx); e != nil {
		e.change(func() { e.within = within })
	}
}

// atEnd makes act be called, on a goroutine of its own, if a signal ends the
// process before forget is called. The process waits for act only for a moment.
func atEnd(ctx context.Context, act lastAct) (forget func()) {
	e := endingOf(ctx)
	if e == nil {
		return func() {}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key := e.next
	e.next++
	if e.last != nil {
		e.last[key] = act
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.last, key)
	}
}
