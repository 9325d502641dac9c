// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"sync"
)

// A pulse shows whether the goroutine that receives is alive.
type pulse struct {
	pings chan struct{} // which that goroutine reads

	mu    sync.Mutex
	ended chan struct{} // closed: it does not run, or no longer
}

func newPulse() *pulse {
	p := &pulse{pings: make(chan struct{}), ended: make(chan struct{})}
	close(p.ended)
	return p
}

// starts says that the goroutine begins to run, and stopped that it has ended.
func (p *pulse) starts() (stopped func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := make(chan struct{})
	p.ended = ended
	return func() { close(ended) }
}

// Alive waits until the goroutine that receives answers, and reports whether it has
// before ctx ended. While none runs, since a file is verified or installed, there is
// nothing to wait for. It may be called from any goroutine.
func (a *Agent) Alive(ctx context.Context) bool {
	a.pulse.mu.Lock()
	ended := a.pulse.ended
	a.pulse.mu.Unlock()
	select {
	case a.pulse.pings <- struct{}{}:
		return true
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}
