// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/receiver"
)

// A deaf listener has a socket on which nothing arrives.
type deaf struct {
	fakeListener
	closed chan struct{}
}

func (d *deaf) Conns() []receiver.Conn                     { return []receiver.Conn{d} }
func (d *deaf) NewBatch() receiver.Batch                   { return d }
func (d *deaf) Read() error                                { <-d.closed; return net.ErrClosed }
func (d *deaf) Len() int                                   { return 0 }
func (d *deaf) Datagram(int) (b []byte, _ receiver.Origin) { return nil, receiver.Origin{} }
func (d *deaf) Close() error                               { close(d.closed); return nil }

// idle runs an agent that nobody sends to, for an hour of virtual time at most.
func idle(t *testing.T, cfg Config) (s *station, err error) {
	cfg.DryRun = true
	s = newStation(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	_, err = newTransfer(s.Agent, &deaf{closed: make(chan struct{})}).run(ctx)
	return s, err
}

func TestAnIdleAgentLooksAtTheTimeWhenItHasTo(t *testing.T) {
	// "other ones come only while something happens"
	synctest.Test(t, func(t *testing.T) {
		ask := make(chan struct{})
		go func() { time.Sleep(10 * time.Minute); ask <- struct{}{} }()
		s, err := idle(t, Config{Ask: ask})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		// The first silence is explained after 5 s, and again every 30 s.
		silent, progress := saw[Silent](s), saw[Progress](s)
		if silent != 120 || progress < silent+1 || progress > silent+5 {
			t.Errorf("explained %d times, want 120, with %d events Progress, want one each and a few at the beginning", silent, progress)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if s, _ := idle(t, Config{}); saw[Progress](s) < 4*3600 {
			t.Errorf("got %d events Progress in an hour, want several in a second", saw[Progress](s))
		}
	})
}

func TestAnIdleAgentGivesUpInTime(t *testing.T) {
	for _, asks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var ask chan struct{}
			if asks {
				ask = make(chan struct{})
			}
			began, timeout := time.Now(), 7*time.Second
			_, err := idle(t, Config{Timeout: timeout, Ask: ask})
			if took := time.Since(began); !errors.As(err, new(*SilenceError)) || took < timeout || took > timeout+lookEvery {
				t.Errorf("got %v after %v, want a SilenceError after %v", err, took, timeout)
			}
		})
	}
}
