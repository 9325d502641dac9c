// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"iotupd/sender/multicast"
)

// newLoopbackAgent returns an agent for a short file that sends on the loopback
// interface, to nobody.
func newLoopbackAgent(t *testing.T, observe func(Event)) *Agent {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	if err := os.WriteFile(path, []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	all, _ := net.Interfaces()
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback == 0 {
			continue
		}
		network := multicast.Config{Interfaces: []string{ifi.Name}, Channel: t.Name(), Family: multicast.IPv4Only, Port: 19999}
		a, err := New(Config{File: path, Network: network, Observe: observe})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		return a
	}
	t.Skip("there is no loopback interface")
	return nil
}

// "Nothing blocks the loop": a network file system may take minutes to say whether
// the file is still the same.
func TestAFileSystemThatDoesNotAnswerStopsNoSender(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	looking, answer := make(chan struct{}), make(chan struct{})
	var packets uint64 // when it began to look
	asked := false
	a := newLoopbackAgent(t, func(e Event) {
		p, ok := e.(Progress)
		select {
		case <-looking:
			asked, packets = true, p.Packets
			looking = nil
		default:
			if ok && asked && p.Packets > packets {
				cancel(enough)
			}
		}
		if _, stopped := e.(Stopped); stopped {
			close(answer)
		}
	})
	began := looking
	a.check = func() error {
		close(began)
		<-answer
		return nil
	}
	if err := a.Send(ctx); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}

func TestAChangedFileEndsASender(t *testing.T) {
	changed := errors.New("changed")
	a := newLoopbackAgent(t, nil)
	a.check = func() error { return changed }
	if err := a.Send(t.Context()); !errors.Is(err, changed) {
		t.Errorf("got %v, want %v", err, changed)
	}
}
