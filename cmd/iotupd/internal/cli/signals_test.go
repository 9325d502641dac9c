// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A sent signal comes so long after the one before it.
type sent struct {
	after  time.Duration
	signal syscall.Signal
}

// endsAfter returns how long after SIGTERM the process ends whose command does what it
// may, and the exit code.
func endsAfter(t *testing.T, command func(ctx context.Context)) (after time.Duration, code int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		signals, exited := make(chan os.Signal, 2), make(chan int, 1)
		e := newEnding(func(code int) { exited <- code })
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), endingKey{}, e))
		go e.heed(signals, cancel)
		go command(ctx)
		synctest.Wait()
		began := time.Now()
		signals <- syscall.SIGTERM
		code = <-exited
		after = time.Since(began)
		time.Sleep(2 * time.Hour) // for what hangs
	})
	return after, code
}

// "The first signal ends everything within a second", whatever it waits for.
func TestTheFirstSignalEndsWhatDoesNotEndItself(t *testing.T) {
	for name, test := range map[string]struct {
		command func(ctx context.Context)
		after   time.Duration
	}{
		"it hangs":        {func(context.Context) {}, EndWithin}, // it never says that it has ended
		"it says goodbye": {func(ctx context.Context) { TakesUpTo(ctx, 5*time.Second) }, 5 * time.Second},
		"it runs a command of --exec for 9 s more": {func(ctx context.Context) {
			release := Hold(ctx)
			<-ctx.Done()
			time.Sleep(9 * time.Second)
			release()
		}, 9*time.Second + EndWithin},
		"a command of --exec has ended before": {func(ctx context.Context) { Hold(ctx)() }, EndWithin},
		"a terminal does not take the last line": {func(ctx context.Context) {
			atEnd(ctx, func(SignalError, bool) { time.Sleep(time.Hour) })
		}, EndWithin + 2*lastWords},
	} {
		t.Run(name, func(t *testing.T) {
			if after, code := endsAfter(t, test.command); after != test.after || code != 143 {
				t.Errorf("ended after %v with %d, want %v and 143", after, code, test.after)
			}
		})
	}
}

func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	const interrupt, terminate = syscall.SIGINT, syscall.SIGTERM
	tests := []struct {
		name    string
		signals []sent
		cancels bool
		exits   int // the code; 0: does not exit
	}{
		{"none", nil, false, 0},
		{"one", []sent{{0, interrupt}}, true, 0},
		{"one, and the command does not end", []sent{{0, interrupt}, {EndWithin, 0}}, true, 130},
		{"another one in the same moment", []sent{{0, interrupt}, {0, terminate}}, true, 143},
		{"another one later", []sent{{0, terminate}, {EndWithin - 1, interrupt}}, true, 130},
		// timeout(1) signals its child, and then the group of both.
		{"the same one in the same moment", []sent{{0, interrupt}, {0, interrupt}}, true, 0},
		{"the same one soon", []sent{{0, interrupt}, {5 * time.Millisecond, interrupt}, {200 * time.Millisecond, interrupt}}, true, 0},
		{"the same one later", []sent{{0, interrupt}, {echo + 1, interrupt}}, true, 130},
		{"another one after an echo", []sent{{0, interrupt}, {1, interrupt}, {1, terminate}}, true, 143},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals, exited := make(chan os.Signal, 2), 0
				ctx, cancel := context.WithCancelCause(t.Context())
				go newEnding(func(code int) { exited = code }).heed(signals, cancel)
				for _, s := range test.signals {
					time.Sleep(s.after)
					if s.signal != 0 {
						signals <- s.signal
					}
				}
				synctest.Wait()
				var cause SignalError
				if errors.As(context.Cause(ctx), &cause) != test.cancels || test.cancels && cause.Signal != test.signals[0].signal {
					t.Errorf("the context ended with %v", context.Cause(ctx))
				}
				if exited != test.exits {
					t.Errorf("exit code %d, want %d", exited, test.exits)
				}
				close(signals)
			})
		})
	}
}
