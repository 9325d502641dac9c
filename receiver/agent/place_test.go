// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/directory"
	"iotupd/receiver/filestore"
	"iotupd/receiver/multicast"
)

// withSomebody receives a file while somebody else does something, when a part of the
// file has arrived.
func (s *station) withSomebody(r release, do func()) (*Received, error) {
	s.Helper()
	gate := make(chan struct{})
	var once sync.Once
	observe := s.cfg.Observe
	s.cfg.Observe = func(e Event) {
		observe(e)
		if p, ok := e.(Progress); ok && p.Status.Held > 0 {
			once.Do(func() { do(); close(gate) })
		}
	}
	first := true
	return s.Agent.receive(s.Context(), func() (multicast.Listener, error) {
		b := r.broadcast(s.T)
		if first {
			b.gate, b.until, first = gate, 200, false
		}
		return b, nil
	})
}

// try is check on another goroutine.
func (s *station) try(err error) {
	if err != nil {
		s.Error(err)
	}
}

// receive2 is receive of an agent that may have to begin again.
func (s *station) receive2(ctx context.Context, r release) (*Received, error) {
	return s.Agent.receive(ctx, func() (multicast.Listener, error) { return r.broadcast(s.T), nil })
}

// wantLost fails unless the place of the file was lost once, for one of these reasons.
func (s *station) wantLost(why ...error) {
	s.Helper()
	var got []error
	for _, e := range s.events {
		if e, ok := e.(PlaceLost); ok {
			got = append(got, e.Err)
		}
	}
	if len(got) != 1 || !slices.ContainsFunc(why, func(err error) bool { return errors.Is(got[0], err) }) {
		s.Errorf("got %v, want once %v", got, why)
	}
}

// big takes a while to arrive, so that somebody comes in time.
var big = release{name: "fw.bin", content: bytes.Repeat([]byte("firmware"), 50_000)}

func TestWhatSomebodyDoesToThePartialFileIsNoticedAndReceivedAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can remove a file there that is open")
	}
	for name, test := range map[string]struct {
		do   func(dir string) error
		want []error
	}{
		"removed": {func(dir string) error { return os.Remove(filepath.Join(dir, ".fw.bin.iotupd-part")) }, []error{filestore.ErrRemoved}},
		"replaced": {func(dir string) error {
			part := filepath.Join(dir, ".fw.bin.iotupd-part")
			return errors.Join(os.Remove(part), os.WriteFile(part, []byte("x"), 0o600))
		}, []error{filestore.ErrRemoved}},
		"truncated": {func(dir string) error { return os.Truncate(filepath.Join(dir, ".fw.bin.iotupd-part"), 1000) },
			[]error{filestore.ErrTruncated, ErrChanged}}, // later packets may make it long again
		"directory replaced": {func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o777))
		}, []error{filestore.ErrMoved}},
		"directory removed and made": {func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o777))
		}, []error{filestore.ErrMoved}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "fw")
			check(t, os.Mkdir(dir, 0o777))
			s := newStation(t, Config{Target: filestore.File(filepath.Join(dir, "fw.bin"))})
			got, err := s.withSomebody(big, func() { s.try(test.do(dir)) })
			check(t, err)
			s.wantLost(test.want...)
			content, err := os.ReadFile(filepath.Join(dir, "fw.bin"))
			if err != nil || !bytes.Equal(content, big.content) || got.Path != filepath.Join(dir, "fw.bin") {
				t.Errorf("%s: got %d bytes, %v", got.Path, len(content), err)
			}
			wantFiles(t, dir, "fw.bin")
		})
	}
}

func TestADirectoryThatIsGoneIsAnErrorAndNotAPathOfNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can rename a directory there that is open")
	}
	for name, do := range map[string]func(dir string) error{
		"moved":   func(dir string) error { return os.Rename(dir, dir+".old") },
		"removed": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "fw")
			check(t, os.Mkdir(dir, 0o777))
			s := newStation(t, Config{Target: filestore.Dir(dir)})
			got, err := s.withSomebody(big, func() { s.try(do(dir)) })
			var failed *filestore.Error
			if !errors.As(err, &failed) || failed.Path != dir || got != nil {
				t.Errorf("got %+v, %v", got, err)
			}
			s.wantLost(filestore.ErrMoved)
		})
	}
}

// The directory is moved while nothing happens, and the file was there.
func TestAFileThatIsThereIsNotReportedAtAPathThatIsGone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can rename a directory there that is open")
	}
	dir := filepath.Join(t.TempDir(), "fw")
	check(t, os.Mkdir(dir, 0o777))
	check(t, os.WriteFile(filepath.Join(dir, "fw.bin"), big.content, 0o600))
	s := newStation(t, Config{Target: filestore.Dir(dir)})
	check(t, os.Rename(dir, dir+".old"))
	if got, err := s.receive2(t.Context(), big); !errors.As(err, new(*filestore.Error)) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAMovedFileIsNotInstalledByItsOldPath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can rename a directory there that is open")
	}
	dir := filepath.Join(t.TempDir(), "fw")
	check(t, os.Mkdir(dir, 0o777))
	s := newStation(t, Config{Target: filestore.Dir(dir), KeepPending: true})
	got, err := s.receive(fw)
	check(t, err)
	check(t, os.Rename(dir, dir+".old"))
	err = got.Install(t.Context(), func(context.Context, *Received) error {
		t.Error("it is installed")
		return nil
	})
	if !errors.Is(err, filestore.ErrMoved) {
		t.Errorf("got %v", err)
	}
}

// It shows while the file arrives, and not only at its end.
func TestAPlaceThatIsLostIsNoticedInTheMiddle(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can remove a file there that is open")
	}
	dir := t.TempDir()
	s := newStation(t, Config{Target: filestore.File(filepath.Join(dir, "fw.bin"))})
	ctx, cancel := context.WithCancel(t.Context())
	observe, removed := s.cfg.Observe, false
	s.cfg.Observe = func(e Event) {
		observe(e)
		switch e := e.(type) {
		case Progress:
			if e.Status.Held > 0 && !removed {
				removed = true
				s.try(os.Remove(filepath.Join(dir, ".fw.bin.iotupd-part")))
			}
		case PlaceLost:
			cancel()
		}
	}
	s.Agent.receive(ctx, func() (multicast.Listener, error) {
		b := big.broadcast(t)
		b.datagrams = b.datagrams[:len(b.datagrams)/5] // never the whole file
		return b, nil
	})
	s.wantLost(filestore.ErrRemoved)
}

// A fadingDisk changes what was written to it, until it is opened again.
type fadingDisk struct {
	*filestore.FileTarget
	opened int
}

func (d *fadingDisk) Open(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
	s, err := d.FileTarget.Open(id, p)
	d.opened++
	if d.opened == 1 {
		s = &fadingStore{Store: s, size: int64(p.Size)}
	}
	return s, err
}

type fadingStore struct {
	receiver.Store
	size int64
}

// WriteAt keeps a zero where something else was received.
func (s *fadingStore) WriteAt(b []byte, offset int64) (int, error) {
	n, err := s.Store.WriteAt(b, offset)
	if err == nil && offset <= 5000 && offset+int64(n) > 5000 {
		_, err = s.Store.WriteAt([]byte{0}, 5000)
	}
	return n, err
}

func TestWhatWasChangedOnTheDiskIsReceivedAgain(t *testing.T) {
	dir := t.TempDir()
	s := newStation(t, Config{Target: &fadingDisk{FileTarget: filestore.Dir(dir)}})
	got, err := s.receive2(t.Context(), big)
	check(t, err)
	s.wantLost(ErrChanged)
	f, err := os.Open(got.Path)
	check(t, err)
	defer f.Close()
	if content, err := io.ReadAll(f); err != nil || !bytes.Equal(content, big.content) {
		t.Errorf("got %d bytes, %v", len(content), err)
	}
}

func TestDirectoriesAreMadeWhereTheTargetIsNow(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can rename a directory there that is open")
	}
	dir := filepath.Join(t.TempDir(), "place")
	check(t, os.Mkdir(dir, 0o755))
	s := newStation(t, Config{Target: filestore.Dir(dir), Directories: dir})
	check(t, s.Agent.prepare())
	check(t, os.Rename(dir, dir+" of before"))
	check(t, os.MkdirAll(filepath.Join(dir, "maps"), 0o755))
	if !s.Agent.again(fmt.Errorf("%w", filestore.ErrMoved)) {
		t.Fatal("it is not begun again")
	}
	check(t, s.Agent.prepare())
	_, err := s.Agent.directories.place.Has(t.Context(), &proto.Manifest{Name: "maps.tar"})
	if !errors.Is(err, directory.ErrNotOurs) {
		t.Errorf("got %v: it looks elsewhere", err)
	}
}
