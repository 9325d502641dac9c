// SPDX-License-Identifier: GPL-2.0-or-later

package agent_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/proto/manifestfile"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// freePort returns a UDP port that nobody uses.
func freePort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// loopback is a network that leaves this host alone.
func loopback(t *testing.T) multicast.Config {
	all, _ := net.Interfaces()
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 {
			return multicast.Config{Interfaces: []string{ifi.Name}, Channel: t.Name(), Family: multicast.IPv4Only, Port: freePort(t)}
		}
	}
	t.Skip("there is no loopback interface")
	return multicast.Config{}
}

func newFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// send sends what cfg says, and returns the events and the error.
func send(t *testing.T, ctx context.Context, cfg agent.Config) (events []agent.Event, manifest *proto.Manifest, err error) {
	t.Helper()
	cfg.Network = loopback(t)
	cfg.Observe = func(e agent.Event) { events = append(events, e) }
	a, err := agent.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	err = a.Send(ctx)
	return events, a.Manifest(), err
}

func TestLoopsEndAndEventsSaySo(t *testing.T) {
	cfg := agent.Config{File: newFile(t, "content"), Carousel: sender.Config{Rate: -1, Loops: 2}}
	events, m, err := send(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, e := range events {
		switch e := e.(type) {
		case agent.Sending:
			order = append(order, "sending")
		case agent.Stopped:
			order = append(order, "stopped")
			if e.Packets == 0 {
				t.Error("stopped without a packet")
			}
		}
	}
	if len(order) != 2 || order[0] != "sending" || order[1] != "stopped" {
		t.Errorf("got %v, want sending and stopped", order)
	}
	if m.Name != "fw.bin" || m.Descriptor.Size != 7 || m.Descriptor.SHA256 == (proto.Manifest{}).Descriptor.SHA256 {
		t.Errorf("got manifest %+v, want the manifest of the file", m)
	}
}

func TestTheCauseOfTheContextIsReturned(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	cfg := agent.Config{File: newFile(t, "content")}
	cfg.Network = loopback(t)
	cfg.Observe = func(e agent.Event) {
		if _, ok := e.(agent.Progress); ok {
			cancel(enough)
		}
	}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Send(ctx); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}

func TestAManifestHasToBeOfTheFile(t *testing.T) {
	_, of, err := send(t, t.Context(), agent.Config{File: newFile(t, "content"), Carousel: sender.Config{Rate: -1, Loops: 1}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fw.bin"+manifestfile.Suffix)
	if err := manifestfile.Write(path, of); err != nil {
		t.Fatal(err)
	}
	m, err := manifestfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for content, fits := range map[string]bool{"content": true, "another": false, "longer than that": false} {
		cfg := agent.Config{File: newFile(t, content), Manifest: m, Carousel: sender.Config{Rate: -1, Loops: 1}}
		_, _, err := send(t, t.Context(), cfg)
		if errors.As(err, new(*agent.MismatchError)) == fits || fits && err != nil {
			t.Errorf("%q: got %v", content, err)
		}
	}
}

func TestErrorsHaveTypes(t *testing.T) {
	dir := t.TempDir()
	file := newFile(t, "content")
	tests := map[string]struct {
		cfg agent.Config
		is  func(error) bool
	}{
		"no file":    {agent.Config{File: filepath.Join(dir, "missing")}, isA[*filesource.FileError]},
		"not a file": {agent.Config{File: os.DevNull}, isA[*filesource.KindError]},
		"of a file":  {agent.Config{File: dir, Manifest: &proto.Manifest{Name: "fw.bin"}}, isA[*agent.ConfigError]},
		"name":       {agent.Config{File: file, Name: "a/b"}, isA[*agent.NameError]},
		"parity":     {agent.Config{File: file, Encoding: fec.Policy{Parity: fec.MaxParity + 1}}, func(err error) bool { return errors.Is(err, fec.ErrPolicy) }},
		"loops":      {agent.Config{File: file, Carousel: sender.Config{Loops: -1}}, isA[*agent.ConfigError]},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, _, err := send(t, t.Context(), test.cfg); !test.is(err) {
				t.Errorf("got %T %v", err, err)
			}
		})
	}
	cfg := agent.Config{File: file, Network: multicast.Config{Interfaces: []string{"no such one"}}, Wait: -1}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Send(t.Context()); !errors.As(err, new(*multicast.Error)) {
		t.Errorf("got %T %v, want an error of the network", err, err)
	}
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
