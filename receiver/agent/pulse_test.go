// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"testing"

	"iotupd/receiver"
	"iotupd/receiver/filestore"
)

// A watchdog sees whether the goroutine that receives goes on, not whether another
// one does.
func TestAReceiverThatHangsIsNotAlive(t *testing.T) {
	var s *station
	hung := make(chan struct{})
	heard := false
	s = newStation(t, Config{Target: filestore.Dir(t.TempDir()), Heard: func([]receiver.Heard) {
		if heard {
			return
		}
		heard = true // on the goroutine that receives, which has to answer now
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan bool)
		go func() { answer <- s.Alive(ctx) }()
		select {
		case <-answer:
			t.Error("a goroutine that does something else has answered")
		default:
		}
		cancel()
		if <-answer {
			t.Error("it counts as alive")
		}
		close(hung)
	}})
	alive := make(chan bool, 1)
	go func() { <-hung; alive <- s.Alive(t.Context()) }()
	if _, err := s.receive(fw); err != nil {
		t.Fatal(err)
	}
	<-hung
	if !<-alive {
		t.Error("it goes on, and does not answer")
	}
}

// An installation has a time limit of its own.
func TestWhileNothingIsReceivedThereIsNothingToWaitFor(t *testing.T) {
	s := newStation(t, Config{Target: filestore.Dir(t.TempDir())})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if !s.Alive(ctx) {
		t.Error("an agent that has not begun does not count as alive")
	}
	if _, err := s.receive(fw); err != nil {
		t.Fatal(err)
	}
	if !s.Alive(ctx) {
		t.Error("an agent that has ended does not count as alive")
	}
}
