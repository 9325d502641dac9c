// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

// reportEvery is the time between two calls of report.
const reportEvery = 200 * time.Millisecond

// Run gives m the datagrams of l, of all layers that are announced, until ctx
// ends, and returns the cause of that, or an error of the network. It closes l,
// and waits for the goroutines that it started. Until it returns, m belongs to
// it; report, if not nil, may read m while it is called, several times a second.
func Run(ctx context.Context, m *Monitor, l multicast.Listener, report func(now time.Time)) error {
	conns := l.Conns()
	s := shell{monitor: m, listener: l, failed: make(chan error, len(conns)), more: make(chan int, 1)}
	var readers, joiner sync.WaitGroup
	for _, c := range conns {
		readers.Go(func() {
			if err := s.readFrom(c); err != nil {
				s.failed <- err
			}
		})
	}
	joiner.Go(s.join)
	err := s.wait(ctx, report)
	l.Close()
	readers.Wait()
	close(s.more)
	joiner.Wait()
	return err
}

// A shell is one call of Run.
type shell struct {
	listener multicast.Listener
	failed   chan error
	more     chan int // layers, the latest only

	mu      sync.Mutex
	monitor *Monitor
}

func (s *shell) wait(ctx context.Context, report func(now time.Time)) error {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			if report != nil {
				s.mu.Lock()
				report(now)
				s.mu.Unlock()
			}
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readFrom handles datagrams from c until c is closed.
func (s *shell) readFrom(c receiver.Conn) error {
	b := c.NewBatch()
	layers := 1
	for {
		if err := b.Read(); errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		if n := s.handle(time.Now(), b); n != layers {
			layers = n
			s.ask(n)
		}
	}
}

// handle gives a batch to the monitor, and returns how many layers are announced.
func (s *shell) handle(now time.Time, b receiver.Batch) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Len() {
		datagram, from := b.Datagram(i)
		s.monitor.Handle(now, from, datagram)
	}
	return s.monitor.Layers
}

// ask requests to join so many layers. It does not wait.
func (s *shell) ask(layers int) {
	for {
		select {
		case s.more <- layers:
			return
		case older := <-s.more: // not joined yet
			layers = max(layers, older)
		}
	}
}

// join joins what readers ask for, which may take a while.
func (s *shell) join() {
	level := 0
	for layers := range s.more {
		if layers-1 > level {
			level = layers - 1
			s.listener.SetLevel(level) // failed joins are tried again
		}
	}
}
