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

// newLoopbackAgent returns an agent for a short file, or several, that sends on the
// loopback interface, to nobody.
func newLoopbackAgent(t *testing.T, observe func(Event), more ...string) *Agent {
	t.Helper()
	dir := t.TempDir()
	var files []File
	for _, name := range append([]string{"fw.bin"}, more...) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("content of "+name), 0o666); err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Path: path})
	}
	all, _ := net.Interfaces()
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback == 0 {
			continue
		}
		network := multicast.Config{Interfaces: []string{ifi.Name}, Channel: t.Name(), Family: multicast.IPv4Only, Port: 19999}
		a, err := New(Config{File: files[0].Path, More: files[1:], Network: network, Observe: observe})
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
	a.objects[0].check = func() error {
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
	a.objects[0].check = func() error { return changed }
	if err := a.Send(t.Context()); !errors.Is(err, changed) {
		t.Errorf("got %v, want %v", err, changed)
	}
}

func TestAChangedFileIsNotSentAnyMoreWhileOthersAre(t *testing.T) {
	changed, later := errors.New("changed"), errors.New("changed later")
	others := make(chan struct{})
	var lost []string
	var before uint64
	a := newLoopbackAgent(t, func(e Event) {
		switch e := e.(type) {
		case Dropped:
			lost = append(lost, e.Manifest.Name)
		case Progress:
			switch {
			case len(lost) == 0:
			case before == 0:
				before = e.Packets
			case e.Packets > before+3 && others != nil:
				close(others)
				others = nil
			}
		}
	}, "second", "third")
	going := others
	a.objects[1].check = func() error { return changed }
	for _, i := range []int{0, 2} {
		a.objects[i].check = func() error {
			select {
			case <-going:
				return later
			default:
				return nil
			}
		}
	}
	if err := a.Send(t.Context()); !errors.Is(err, later) {
		t.Errorf("got %v, want %v", err, later)
	}
	if len(lost) == 0 || lost[0] != "second" {
		t.Errorf("dropped: %q", lost)
	}
}
