// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/sender/agent"
)

// A service reports to the service manager what a sender does.
type service struct {
	*cli.Service
	name    string
	sending atomic.Bool // packets are sent, or wait for their turn
	moved   atomic.Bool // and the goroutine that sends was heard of
}

// observe sees an event of the agent.
func (s *service) observe(e agent.Event) {
	switch e := e.(type) {
	case agent.Preparing:
		s.Progress(time.Now(), func() string { return fmt.Sprintf("encodes %s: %d%%", s.name, int(100*e.Fraction)) })
	case agent.Waiting:
		s.Status(fmt.Sprintf("waits for %s: %v", cmp.Or(e.Interface, "a network"), e.Err))
	case agent.Sending:
		s.moved.Store(true)
		s.sending.Store(true)
		s.Status("sends " + s.name)
	case agent.Progress:
		s.moved.Store(true)
		s.Progress(e.At, func() string {
			if e.Paused {
				return fmt.Sprintf("nobody listens to %s", s.name)
			}
			return fmt.Sprintf("sends %s: loop %d, %d%%", s.name, e.Loop, int(100*e.Fraction))
		})
	case agent.Stopped:
		s.sending.Store(false)
	}
}

// alive reports whether the goroutine that sends was heard of since the last call,
// which it is several times a second. Before and after, what is waited for has time
// limits of its own.
func (s *service) alive(context.Context) bool {
	return !s.sending.Load() || s.moved.Swap(false)
}
