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
		{"another one in the same moment", []sent{{0, interrupt}, {0, terminate}}, true, 143},
		{"another one later", []sent{{0, terminate}, {time.Hour, interrupt}}, true, 130},
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
				go heed(signals, cancel, func(code int) { exited = code })
				for _, s := range test.signals {
					time.Sleep(s.after)
					signals <- s.signal
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
