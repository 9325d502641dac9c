// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/installed"
	"iotupd/receiver/multicast"
)

// An Agent receives files of a channel. One goroutine uses it.
type Agent struct {
	cfg         Config
	policy      *receiver.Policy  // nil: no trust
	directories *directories      // nil: archives are files
	memory      *installed.Memory // nil: no trust

	journal *installed.Journal // of installations; nil: nothing is installed

	following bool                   // Follow has called
	kept      atomic.Pointer[string] // component to which it keeps since then, unless Config.Components says; nil: not known yet
	warned    bool                   // OtherComponent was reported
	later     bool                   // and received a file before
	listened  bool                   // where has been reported

	look time.Time // when to look at the records again, at the earliest

	observing sync.Mutex // held during cfg.Observe

	pulse *pulse
}

// New returns an agent that listens to nothing yet. With Config.Trust it reads what
// was installed last: errors are then of type [*installed.Error] and
// [*installed.DamagedError]. The caller closes the agent.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, pulse: newPulse()}
	if err := a.open(); err != nil {
		a.closeStates()
		return nil, err
	}
	return a, nil
}

// open opens what is remembered.
func (a *Agent) open() (err error) {
	cfg := &a.cfg
	if err := a.openDirectories(); err != nil {
		return err
	}
	if len(cfg.Trust) > 0 || cfg.KeepPending || cfg.Install.Check != nil {
		if err := a.choosePlace(); err != nil {
			return err
		}
	}
	if len(cfg.Trust) > 0 {
		if a.memory, err = installed.Open(cfg.State, cfg.Channel, cfg.Trust, cfg.Components...); err != nil {
			return err
		}
		a.memory.AllowDowngrade = cfg.AllowDowngrade
		a.policy = &receiver.Policy{
			Keys: cfg.Trust, Channel: cfg.Channel, Targets: cfg.Hardware, Components: cfg.Components, MinSequence: cfg.MinSequence, AllowDowngrade: cfg.AllowDowngrade,
			OwnSignature: cfg.OwnSignature,
		}
		if a.policy.Installed, err = a.memory.Releases(); err != nil {
			return err
		}
	}
	if a.installs() || cfg.Install.Check != nil {
		if err := a.openJournal(); err != nil {
			return err
		}
	}
	return a.raiseFloor()
}

// choosePlace sees that the records survive a reboot, unless the operating system
// says which release runs. On a disk that is read-only, that is all there is.
func (a *Agent) choosePlace() error {
	cfg := &a.cfg
	switch {
	case cfg.State == "":
		return nil
	case cfg.Install.Running == nil:
		return installed.Lasting(cfg.State)
	case installed.IsReadOnly(cfg.State):
		cfg.State = cmp.Or(installed.VolatileDir(), cfg.State)
	}
	return nil
}

// raiseFloor refuses releases that are older than the one which runs.
func (a *Agent) raiseFloor() error {
	if a.policy == nil || a.cfg.AllowDowngrade {
		return nil
	}
	if a.cfg.Install.Running != nil {
		running, err := a.cfg.Install.Running()
		if err != nil {
			return err
		}
		a.policy.MinSequence = max(a.policy.MinSequence, running.Sequence)
	}
	if a.journal == nil {
		return nil
	}
	all, err := a.journal.All()
	a.policy.Running = make(map[string]uint64)
	for _, r := range all {
		a.policy.Running[r.Component] = r.Running.Sequence
	}
	return err
}

// openJournal opens the records of installations.
func (a *Agent) openJournal() (err error) {
	if a.journal != nil {
		return nil
	}
	if a.cfg.State == "" {
		return errNoState
	}
	if a.journal, err = installed.OpenJournal(a.cfg.State, a.cfg.Channel, a.cfg.Trust, a.cfg.Components...); err != nil {
		return err
	}
	a.journal.Rules = a.cfg.Install.rules()
	return a.takeEarly()
}

// Close closes the target, and lets go of the memory. What was received of a file
// that is not complete stays for the next run, if the target can keep it. A
// [Received] of this agent must not be used any more.
func (a *Agent) Close() {
	if a.directories != nil {
		a.directories.place.Close()
	}
	a.cfg.Target.Close()
	if a.cfg.Collection != nil {
		a.cfg.Collection.Close()
	}
	a.closeStates()
}

func (a *Agent) closeStates() {
	if a.journal != nil {
		a.journal.Close()
	}
	if a.memory != nil {
		a.memory.Close()
	}
}

// Receive receives one file, puts it into place and remembers it. If the target
// has the content of the file that is sent, there is nothing to receive: see
// [Received]. When ctx ends, the error is its cause. Others are of type
// [*SilenceError] and [*StalledError], [*multicast.Error], [*filestore.Error] and
// [*filestore.TargetError], [*receiver.StoreError], [*installed.Error] and
// [*installed.DamagedError], [*installed.DamagedRecordError], or [receiver.ErrIntegrity].
// After an error, Receive may be called again. If somebody else removes or changes the partial file, or replaces
// its directory, what is lost is received again: see [PlaceLost].
func (a *Agent) Receive(ctx context.Context) (*Received, error) {
	return a.receive(ctx, a.listen)
}

func (a *Agent) receive(ctx context.Context, listen listenFunc) (*Received, error) {
	defer a.watchDirectories()()
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
	if a.directories != nil {
		if err := a.directories.place.Prepare(); err != nil {
			return err
		}
	}
	if a.memory != nil && !a.cfg.DryRun {
		if err := a.memory.Reserve(); err != nil {
			return err
		}
	}
	if a.journal == nil {
		return nil
	}
	if t, ok := a.cfg.Target.(interface{ HasName() bool }); ok && t.HasName() {
		component := ""
		if accepted := a.accepted(); len(accepted) > 0 {
			component = accepted[0]
		}
		if err := a.journal.CanRecord(a.pathOf(nil), component); err != nil {
			return err
		}
	}
	return a.journal.Reserve()
}

// remember notes that the file which m describes is in place now, as a release.
func (a *Agent) remember(m *proto.Manifest, signers []proto.PublicKey, release receiver.Release) error {
	if a.memory == nil {
		return nil
	}
	if a.following {
		if err := a.memory.Keep(a.place(), m.Component); err != nil {
			return err
		}
	}
	return a.memory.Record(signers, m.Component, release)
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
		if err == nil && !a.listened {
			a.listened = true
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
