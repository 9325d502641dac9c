// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"time"

	"iotupd/internal/sdnotify"
)

// A Service is this process for a service manager, if there is one: systemd shows what
// it does, and restarts it when it is not alive.
type Service struct {
	manager *sdnotify.Notifier
	last    time.Time // of Progress
	stop    []func()
}

// NewService returns a service that ends with ctx at the latest.
func NewService(ctx context.Context) *Service {
	s := &Service{manager: sdnotify.Open()}
	forget := context.AfterFunc(ctx, func() {
		s.manager.Status("stops")
		s.manager.Stopping()
	})
	s.stop = append(s.stop, func() { forget() })
	return s
}

// Ready says that the service has started: its flags, its keys and its files are
// good. It may have to wait for a network, or for anything else that comes later.
func (s *Service) Ready() { s.manager.Ready() }

// startsWithin is how long a service that has not started yet may be without another word.
const startsWithin = time.Minute

// Starting says what a service does that needs longer than usual to start, and that it needs
// more time. It may be called often, by one goroutine.
func (s *Service) Starting(now time.Time, text func() string) {
	if s.manager == nil || !s.last.IsZero() && now.Sub(s.last) < progressEvery {
		return
	}
	s.Progress(now, text)
	s.manager.Starting(startsWithin)
}

// Status says what it does.
func (s *Service) Status(text string) { s.manager.Status(text) }

// progressEvery is how often a status may change that says how far something is: each
// change wakes the manager and whoever watches it.
const progressEvery = time.Second

// Progress is Status for a text that often changes. One goroutine may call it.
func (s *Service) Progress(now time.Time, text func() string) {
	if s.manager == nil || now.Sub(s.last) < progressEvery {
		return
	}
	s.last = now
	s.manager.Status(text())
}

// Watch reports to the manager that this process is alive while alive says so. That may
// wait, and returns false when its context ends.
func (s *Service) Watch(ctx context.Context, alive func(context.Context) bool) {
	s.stop = append(s.stop, s.manager.Watch(ctx, alive))
}

// Close ends it. The manager hears of the end also if that came so soon after the one
// of the context that nothing has been said yet.
func (s *Service) Close() {
	s.manager.Stopping()
	for _, stop := range s.stop {
		stop()
	}
	s.manager.Close()
}
