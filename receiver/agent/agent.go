// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"sync"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/installed"
	"iotupd/receiver/multicast"
)

// An Agent receives files of a channel. One goroutine uses it.
type Agent struct {
	cfg    Config
	policy *receiver.Policy  // nil: no trust
	memory *installed.Memory // nil: no trust

	room *installed.Room // for the note of the file; nil: none

	following bool // Follow has called
	later     bool // and received a file before

	observing sync.Mutex // held during cfg.Observe
}

// New returns an agent that listens to nothing yet. With Config.Trust it reads what
// was installed last: errors are then of type [*installed.Error] and
// [*installed.DamagedError]. The caller closes the agent.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg}
	if len(cfg.Trust) == 0 {
		return a, nil
	}
	memory, err := installed.Open(cfg.State, cfg.Channel, cfg.Trust)
	if err != nil {
		return nil, err
	}
	memory.AllowDowngrade = cfg.AllowDowngrade
	releases, err := memory.Releases()
	if err != nil {
		memory.Close()
		return nil, err
	}
	a.memory = memory
	a.policy = &receiver.Policy{
		Keys: cfg.Trust, Channel: cfg.Channel, Targets: cfg.Hardware, MinSequence: cfg.MinSequence,
		Installed: releases, AllowDowngrade: cfg.AllowDowngrade,
	}
	return a, nil
}

// Close closes the target, and lets go of the memory. What was received of a file
// that is not complete stays for the next run, if the target can keep it. A
// [Received] of this agent must not be used any more.
func (a *Agent) Close() {
	a.room.Close()
	a.cfg.Target.Close()
	if a.memory != nil {
		a.memory.Close()
	}
}

// Receive receives one file, puts it into place and remembers it. If the target
// has the content of the file that is sent, there is nothing to receive: see
// [Received]. When ctx ends, the error is its cause. Others are of type
// [*SilenceError] and [*StalledError], [*multicast.Error], [*filestore.Error] and
// [*filestore.TargetError], [*receiver.StoreError], [*installed.Error] and
// [*installed.DamagedError], or [receiver.ErrIntegrity]. After an error, Receive may
// be called again. If somebody else removes or changes the partial file, or replaces
// its directory, what is lost is received again: see [PlaceLost].
func (a *Agent) Receive(ctx context.Context) (*Received, error) {
	return a.receive(ctx, a.listen)
}

func (a *Agent) receive(ctx context.Context, listen func() (multicast.Listener, error)) (*Received, error) {
	for repeated := false; ; repeated = true {
		if err := a.prepare(); err != nil {
			return nil, err
		}
		l, err := listen()
		if err != nil {
			return nil, err
		}
		t := newTransfer(a, l)
		t.repeated = repeated
		file, err := t.run(ctx)
		l.Close()
		if err == nil || !a.again(err) {
			return file, err
		}
	}
}

// prepare looks at all that finishing a file needs, as far as its name is known.
func (a *Agent) prepare() error {
	if err := a.cfg.Target.Prepare(); err != nil {
		return err
	}
	if a.memory != nil && !a.cfg.DryRun {
		if err := a.memory.Reserve(); err != nil {
			return err
		}
	}
	if t, ok := a.cfg.Target.(needsName); ok && !t.NeedsName() {
		return a.keepRoom(nil)
	}
	return nil
}

// keepRoom keeps room for the note of the file of m, if there will be one.
func (a *Agent) keepRoom(m *proto.Manifest) error {
	t, ok := a.cfg.Target.(besides)
	if !ok || !a.cfg.KeepPending {
		return nil
	}
	dir, name := t.Beside(m)
	if a.room.Keeps(dir, name) {
		return nil
	}
	a.room.Close()
	var err error
	a.room, err = installed.KeepRoom(dir, name)
	return err
}

// errNoTrust refuses to follow what anybody may send.
var errNoTrust = errors.New("agent: Follow needs Config.Trust, which says what is newer")

// Follow receives files and has each of them installed, one after the other, each
// newer than the one before. It returns an error in any case: the cause of ctx when
// that ends, those of Receive, or an [*InstallError]. If install is nil, nothing is
// to be done but to put files into place. It needs Config.Trust.
func (a *Agent) Follow(ctx context.Context, install InstallFunc) error {
	if a.policy == nil {
		return errNoTrust
	}
	a.following = true
	a.cfg.KeepPending = install != nil
	for {
		file, err := a.Receive(ctx)
		if err == nil && install != nil {
			err = file.Install(ctx, install)
		}
		if err != nil {
			return err
		}
		a.onlyNewer(file.Manifest)
		a.later = true
	}
}

// onlyNewer refuses from now on all but what is newer than m, be a downgrade
// allowed or not: no object has the id zero, so that nothing of the same sequence
// will do.
func (a *Agent) onlyNewer(m *proto.Manifest) {
	a.policy.AllowDowngrade, a.memory.AllowDowngrade = false, false
	for _, key := range a.policy.Keys {
		a.policy.Installed[key.ID] = receiver.Release{Sequence: m.Sequence}
	}
}

// remember notes that what m describes is in place now.
func (a *Agent) remember(m *proto.Manifest, signers []proto.PublicKey) error {
	if a.memory == nil {
		return nil
	}
	return a.memory.Record(signers, receiver.Release{Sequence: m.Sequence, Object: m.Descriptor.Object()})
}

// emit reports an event.
func (a *Agent) emit(e Event) {
	a.observing.Lock()
	defer a.observing.Unlock()
	a.cfg.Observe(e)
}

// listen listens where the configuration says, or looks for senders.
func (a *Agent) listen() (multicast.Listener, error) {
	if a.cfg.Lookup == nil {
		l, err := multicast.Listen(a.cfg.Listen)
		if err == nil && !a.later {
			a.emit(Listening{l.Place()})
		}
		return l, err
	}
	name := a.cfg.Lookup.Name
	a.emit(Searching{name})
	return multicast.Discover(multicast.DiscoverConfig{
		Name: name, Servers: a.cfg.Lookup.Servers, Failover: a.cfg.Lookup.Failover, Allow: a.cfg.Lookup.Allow,
		Config:  a.cfg.Listen,
		Observe: func(e multicast.DiscoverEvent) { a.emit(Searched{name, e}) },
	})
}

// verified reports whether the content of a file is known to be the wanted one.
func (a *Agent) verified() bool {
	return a.policy != nil || a.cfg.Object != (proto.ObjectID{}) || a.cfg.SHA256 != ([32]byte{})
}
