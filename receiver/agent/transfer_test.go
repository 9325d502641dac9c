// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/internal/memlimit"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed/state"
	"iotupd/sender"
)

// A broadcast is a listener to a file that is sent in a loop, as fast as it is
// read.
type broadcast struct {
	fakeListener
	datagrams [][]byte
	stop      chan struct{}
	once      sync.Once

	// If not nil, it waits for gate before it goes on after so many datagrams.
	gate  chan struct{}
	until int
}

// release is what a test sends: a file, signed if it has a key.
type release struct {
	name     string
	content  []byte
	sequence uint64
	key      *keys.SecretKey

	component string
}

func (r release) broadcast(t *testing.T) *broadcast {
	t.Helper()
	params, err := fec.Policy{}.Params(uint64(len(r.content)))
	check(t, err)
	o, err := sender.Prepare(t.Context(), bytes.NewReader(r.content), params, sender.PrepareConfig{})
	check(t, err)
	o.Manifest.Name, o.Manifest.Channel, o.Manifest.Sequence = r.name, "test", r.sequence
	o.Manifest.Component = r.component
	if r.key != nil {
		o.Manifest.Signatures = []proto.Signature{r.key.Sign(&o.Manifest)}
	}
	s, err := sender.New(sender.Config{Rate: -1}, o)
	check(t, err)
	b := &broadcast{stop: make(chan struct{})}
	for now := epoch; len(b.datagrams) < 1000; now = now.Add(20 * time.Millisecond) {
		d, err := s.AppendDatagrams(nil, now, 1)
		check(t, err)
		b.datagrams = append(b.datagrams, d)
	}
	return b
}

func (b *broadcast) Conns() []receiver.Conn   { return []receiver.Conn{b} }
func (b *broadcast) NewBatch() receiver.Batch { return &broadcastBatch{b, 0} }
func (b *broadcast) SetLevel(int) error       { return nil }
func (b *broadcast) Close() error             { b.once.Do(func() { close(b.stop) }); return nil }

// A broadcastBatch reads 8 datagrams at a time.
type broadcastBatch struct {
	*broadcast
	next int
}

func (b *broadcastBatch) Len() int { return 8 }

func (b *broadcastBatch) Read() error {
	if b.gate != nil && b.next >= b.until {
		select {
		case <-b.gate:
		case <-b.stop:
			return net.ErrClosed
		}
	}
	select {
	case <-b.stop:
		return net.ErrClosed
	case <-time.After(time.Millisecond): // not to keep a CPU from the others
		b.next += b.Len()
		return nil
	}
}

func (b *broadcastBatch) Datagram(i int) ([]byte, receiver.Origin) {
	return b.datagrams[(b.next+i)%len(b.datagrams)], receiver.Origin{}
}

// A station is an agent that a test has receive broadcasts.
type station struct {
	*testing.T
	*Agent
	mu     sync.Mutex
	events []Event
}

func newStation(t *testing.T, cfg Config) *station {
	t.Helper()
	s := &station{T: t}
	cfg.Channel = "test"
	if cfg.State == "" {
		cfg.State = stateOf(t)
	}
	cfg.Observe = func(e Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	var err error
	s.Agent, err = New(cfg)
	check(t, err)
	t.Cleanup(s.Close)
	check(t, s.cfg.Target.Prepare())
	return s
}

// states are the directories of tests.
var states sync.Map

// They cannot be in a temporary directory in memory.
func init() {
	if memlimit.IsMemory(os.TempDir()) {
		os.Setenv("TMPDIR", "/var/tmp")
	}
}

// stateOf is where all stations of a test remember what is installed.
func stateOf(t *testing.T) string {
	dir, known := states.Load(t)
	if !known {
		dir = t.TempDir()
		states.Store(t, dir)
		t.Cleanup(func() { states.Delete(t) })
	}
	return dir.(string)
}

func (s *station) receive(r release) (*Received, error) {
	s.Helper()
	b := r.broadcast(s.T)
	defer b.Close()
	return newTransfer(s.Agent, b).run(s.Context())
}

// saw counts events of the type of E.
func saw[E Event](s *station) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

func wantFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(names) {
		t.Errorf("got files %q, want %q", got, names)
		return
	}
	for i := range got {
		if got[i] != names[i] {
			t.Errorf("got files %q, want %q", got, names)
		}
	}
}

var fw = release{name: "fw.bin", content: bytes.Repeat([]byte("firmware"), 20_000), sequence: 7}

func TestAFileIsReceivedAndThenThere(t *testing.T) {
	dir := t.TempDir()
	s := newStation(t, Config{Target: filestore.Dir(dir)})
	got, err := s.receive(fw)
	check(t, err)
	path := filepath.Join(dir, "fw.bin")
	if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, fw.content) {
		t.Errorf("got %d bytes, %v", len(content), err)
	}
	if !got.New || !got.Pending || got.Verified || got.Path != path || got.Manifest.Name != "fw.bin" || got.Signers != nil {
		t.Errorf("got %+v", got)
	}
	if saw[Done](s) != 1 || saw[Collected](s) != 1 || saw[Transfer](s) < 4 || saw[Progress](s) == 0 {
		t.Errorf("got events %+v", s.events)
	}
	got, err = s.receive(fw)
	check(t, err)
	if got.New || got.Pending || got.Path != path || saw[AlreadyThere](s) != 1 || saw[Done](s) != 1 {
		t.Errorf("got %+v, want that it is there", got)
	}
	wantFiles(t, dir, "fw.bin")
}

func TestOnlyWhatATrustedKeyHasSignedIsReceived(t *testing.T) {
	key, other := keys.Generate(), keys.Generate()
	dir, state := t.TempDir(), t.TempDir()
	cfg := Config{Target: filestore.Dir(dir), Trust: []proto.PublicKey{key.Public()}, State: state, Timeout: 300 * time.Millisecond}
	signed, foreign := fw, fw
	signed.key, foreign.key = &key, &other
	var silence *SilenceError
	first := newStation(t, cfg)
	if _, err := first.receive(foreign); !errors.As(err, &silence) || silence.Instead.Reason != receiver.ReasonSignature {
		t.Errorf("got %v, want that it is not signed", err)
	}
	first.Agent.Close()
	wantFiles(t, dir) // nothing to continue from
	cfg.Target, cfg.Timeout = filestore.Dir(dir), 0
	got, err := newStation(t, cfg).receive(signed)
	check(t, err)
	if len(got.Signers) != 1 || got.Signers[0] != key.Public() || !got.Verified {
		t.Errorf("got %+v", got)
	}

	older := fw
	older.sequence, older.key, older.content = 6, &key, []byte("older")
	cfg.Target, cfg.Timeout = filestore.Dir(dir), 300*time.Millisecond
	if _, err := newStation(t, cfg).receive(older); !errors.As(err, &silence) || silence.Instead.Reason != receiver.ReasonRollback {
		t.Errorf("got %v, want that an older release is refused", err)
	}
}

func TestWhatIsNotInstalledStaysPending(t *testing.T) {
	dir := t.TempDir()
	cfg := func() Config { return Config{Target: filestore.Dir(dir), KeepPending: true} }
	broken := errors.New("no slot is free")
	got, err := newStation(t, cfg()).receive(fw)
	check(t, err)
	var install *InstallError
	if err := got.Install(t.Context(), func(context.Context, *Received) error { return broken }); !errors.As(err, &install) || !errors.Is(err, broken) {
		t.Errorf("got %v, want an InstallError", err)
	}
	if install.State != state.Received || install.Attempt != 1 {
		t.Errorf("got %+v, want that there is another attempt", install)
	}

	again := newStation(t, cfg())
	got, err = again.receive(fw)
	check(t, err)
	if got.New || !got.Pending {
		t.Errorf("got %+v, want a pending file", got)
	}
	check(t, got.Install(t.Context(), func(_ context.Context, file *Received) error {
		if file.Channel() != "test" {
			t.Errorf("got channel %q", file.Channel())
		}
		return nil
	}))
	if got.Pending || saw[InstallPending](again) != 1 || saw[Installed](again) != 1 {
		t.Errorf("got %+v and events %+v", got, again.events)
	}
	wantFiles(t, dir, "fw.bin")
	got, err = newStation(t, cfg()).receive(fw)
	check(t, err)
	if got.Pending {
		t.Error("it is installed twice")
	}
}

// A fullDisk is a target without room, whose check of the existing file lasts
// until the lack of room has shown.
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
	for _, old := range []string{string(fw.content), "other"} {
		dir := t.TempDir()
		check(t, os.WriteFile(filepath.Join(dir, "fw.bin"), []byte(old), 0o600))
		s := newStation(t, Config{Target: &fullDisk{filestore.Dir(dir), make(chan struct{})}})
		got, err := s.receive(fw)
		switch {
		case old != "other" && (err != nil || got.New):
			t.Errorf("got %+v, %v, want that it is there", got, err)
		case old == "other" && !errors.As(err, new(*receiver.StoreError)):
			t.Errorf("got %v, want that the disk is full", err)
		}
	}
}

// A transfer that ended for good leaves nothing to continue from; all others do.
func TestWhatRemainsOfATransferThatFailed(t *testing.T) {
	part := []string{".fw.bin.iotupd-part"}
	tests := []struct {
		err  error
		left []string
	}{
		{receiver.ErrIntegrity, nil},
		{&StalledError{}, part},
		{&SilenceError{}, part},
		{&SilenceError{Instead: Instead{Reason: receiver.ReasonSignature}}, part}, // no object was chosen here
		{errors.New("socket closed"), part},
		{&receiver.StoreError{Op: "write", Err: errors.New("no space")}, part},
	}
	for _, test := range tests {
		dir := t.TempDir()
		target := filestore.File(filepath.Join(dir, "fw.bin"))
		s := newStation(t, Config{Target: target})
		tr := newTransfer(s.Agent, &fakeListener{})
		var err error
		tr.core, err = receiver.New(receiver.Config{Open: target.Open})
		check(t, err)
		store, err := target.Open(proto.ObjectID{1}, proto.Params{Size: 4})
		check(t, err)
		check(t, store.Reserve(7))
		if _, err := tr.finish(t.Context(), test.err); !errors.Is(err, test.err) {
			t.Errorf("got %v, want %v", err, test.err)
		}
		s.Agent.Close()
		wantFiles(t, dir, test.left...)
	}
}

func TestStoppingReportsTheProgress(t *testing.T) {
	s := newStation(t, Config{Target: filestore.Dir(t.TempDir())})
	b := fw.broadcast(t)
	defer b.Close()
	b.datagrams = b.datagrams[:len(b.datagrams)/20] // never the whole file
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	tr := newTransfer(s.Agent, b)
	emit := tr.watcher.emit
	tr.watcher.emit = func(e Event) {
		emit(e)
		if p, ok := e.(Progress); ok && p.Status.Held > 0 {
			cancel(stop)
		}
	}
	_, err := tr.run(ctx)
	if !errors.Is(err, stop) || saw[Stopped](s) != 1 {
		t.Fatalf("got %v and events %+v", err, s.events)
	}
	for _, e := range s.events {
		if e, ok := e.(Stopped); ok && (e.Status.Held == 0 || e.NoNewer) {
			t.Errorf("got %+v", e)
		}
	}
}
