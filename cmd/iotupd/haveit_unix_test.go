// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"context"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/mcast"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
)

// A fullDisk is a target without room, whose look at what is there takes until
// that has shown.
type fullDisk struct {
	*filestore.FileTarget
	full chan struct{}
}

func (d *fullDisk) Open(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
	s, err := d.FileTarget.Open(id, p)
	return fullStore{s, d.full}, err
}

func (d *fullDisk) Has(ctx context.Context, m *proto.Manifest) (string, error) {
	<-d.full
	return d.FileTarget.Has(ctx, m)
}

type fullStore struct {
	receiver.Store
	full chan struct{}
}

func (s fullStore) Reserve(int64) error {
	close(s.full)
	return syscall.ENOSPC
}

func TestAFileThatIsThereNeedsNoRoom(t *testing.T) {
	t.Parallel()
	content := string(randomBytes(100_000))
	path := filepath.Join(t.TempDir(), "sent.bin")
	write(t, path, content)
	port := freePort(t)
	start(t, port, "send", path, "-r", "5M", "-g", "239.255.77.80")
	for old, want := range map[string]int{content: cli.ExitOK, "other": cli.ExitLocalIO} {
		d := to(t, "")
		write(t, filepath.Join(d.dir, "sent.bin"), old)
		cfg := mcast.ListenConfig{
			Groups: []netip.Addr{netip.MustParseAddr("239.255.77.80")}, Port: port, Interfaces: []string{loopback()},
		}
		l, err := mcast.Listen(cfg)
		check(t, err)
		defer l.Close()
		s := newScreen(t, cli.OutputOptions{Progress: "none"})
		v := newRecvView(recvOptions{}, s.Output, listener{l, cfg}, nil)
		err = v.receive(t.Context(), &fullDisk{d.FileTarget, make(chan struct{})}, receiver.Config{})
		if got := cli.ExitCode(err); got != want {
			t.Errorf("got exit code %d (%v), want %d", got, err, want)
		}
	}
}
