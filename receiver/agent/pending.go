// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
)

// errNoState says that there is no place for records of installations.
var errNoState = errors.New("agent: no directory to remember in what is installed: set Config.State")

// Pending returns a file that an earlier run has received and whose installation is due;
// nil: there is none. It needs no sender. With Config.KeepPending it is called before
// [Agent.Receive], once: it finds out first what has become of an installation that was
// cut off, and of what was installed. It is an error, of type [*installed.LockedError], if
// that one is still running.
func (a *Agent) Pending(ctx context.Context) (*Received, error) {
	if a.journal == nil {
		return nil, nil
	}
	if err := a.cfg.Target.Prepare(); err != nil {
		return nil, err
	}
	return a.pending(ctx, true)
}

// pending settles all records, and returns the first file whose installation is due.
func (a *Agent) pending(ctx context.Context, start bool) (*Received, error) {
	records, err := a.records()
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r, err = a.settle(r); err != nil {
			return nil, err
		}
		wait, due := r.Due(installed.Now(), a.journal.Rules, start)
		if !due || wait > 0 || !r.State.Pending() {
			continue
		}
		if file := a.fileOf(ctx, r); file != nil {
			a.emit(AlreadyThere{file})
			return file, nil
		}
	}
	return nil, nil
}

// records returns the records of files that this agent installs.
func (a *Agent) records() (records []*installed.Record, err error) {
	all, err := a.journal.All()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if a.mine(r) {
			records = append(records, r)
		}
	}
	return records, nil
}

// settle records what is known by now of an installation: what the operating system
// says, that an attempt was cut off, or that nobody has confirmed it in time.
func (a *Agent) settle(r *installed.Record) (now *installed.Record, err error) {
	if now, err = a.settleRunning(r); err != nil || now.Manifest == nil {
		return now, err
	}
	if now.State == state.Installing {
		lock, err := a.journal.Lock(now)
		if err != nil {
			return nil, err
		}
		now, _, err = a.journal.Happens(now, state.CutOff, "the attempt was cut off")
		lock.Close()
		return now, err
	}
	if wait, due := now.Due(installed.Now(), a.journal.Rules, false); now.State == state.Activated && due && wait == 0 {
		now, _, err = a.journal.Happens(now, state.Overdue, "nobody has confirmed the release in time")
	}
	return now, err
}

// settleRunning records what the operating system says.
func (a *Agent) settleRunning(r *installed.Record) (now *installed.Record, err error) {
	if a.cfg.Install.Running == nil {
		return r, nil
	}
	running, err := a.cfg.Install.Running()
	signed := len(a.cfg.Trust) > 0
	switch {
	case err != nil || !running.Known():
		return r, err
	case running.Is(r.Manifest):
		r, _, err = a.journal.Happens(r, state.Runs, "")
		return r, err
	case signed && running.Sequence > r.Manifest.Sequence:
		return &installed.Record{Running: running}, a.journal.Overtaken(r, running)
	case !r.State.Done() || r.At.Boot == "" || r.At.Boot == installed.Now().Boot:
		return r, nil // it may have to be booted still
	}
	r, _, err = a.journal.Happens(r, state.RunsOlder, "the system runs another release after a reboot")
	return r, err
}

// fileOf returns the file of a record; nil: it is not there as it was received, or is
// not to be installed any more.
func (a *Agent) fileOf(ctx context.Context, r *installed.Record) *Received {
	m := r.Manifest
	var signers []proto.PublicKey
	if a.policy != nil {
		policy, err := a.policyNow()
		if err == nil {
			m, signers, err = policy.Verify(time.Now(), r.Manifest.AppendTo(nil))
		}
		if err != nil {
			why := receiver.ReasonSignature
			errors.As(err, &why)
			a.emit(Rejected{Reason: why, Object: r.Manifest.Descriptor.Object(), Name: r.Manifest.Name})
			return nil
		}
	}
	path, _ := a.cfg.Target.Has(ctx, m)
	if path == "" {
		a.readmit()
		return nil
	}
	file := a.newReceived(path, m, signers)
	if file.record, file.Pending = r, true; file.exposed() {
		return nil // it is received again
	}
	return file
}

// policyNow is the policy by the releases that are remembered: a.policy may want a newer
// release than the one which is to be installed.
func (a *Agent) policyNow() (*receiver.Policy, error) {
	policy := *a.policy
	var err error
	policy.AllowDowngrade = a.cfg.AllowDowngrade
	policy.Installed, err = a.memory.Releases()
	return &policy, err
}

// whenDue returns when to look at the records again, or that something is due. Without
// more, nothing will be.
func (a *Agent) whenDue() (wait time.Duration, due, more bool) {
	records, err := a.records()
	if err != nil {
		return recordEvery, false, true // the next step reports it
	}
	wait = recordEvery
	for _, r := range records {
		in, ok := r.Due(installed.Now(), a.journal.Rules, false)
		if ok && in == 0 && (r.State == state.Activated || exists(r.Path) || a.excludes(r)) {
			return 0, true, true
		}
		if ok && in > 0 {
			wait = min(wait, in)
		}
		more = more || ok || r.State.GivenUp() || r.State == state.Activated
	}
	return wait, false, more
}

// excludes reports whether the release of a record cannot be received again, although it
// is to be installed and its file is not there.
func (a *Agent) excludes(r *installed.Record) bool {
	return a.policy != nil && slices.ContainsFunc(a.policy.Keys, func(key proto.PublicKey) bool {
		last := a.policy.Installed[receiver.Series{Key: key.ID, Component: r.Component}]
		return last.Object == (proto.ObjectID{}) && last.Sequence >= r.Manifest.Sequence
	})
}

// readmit takes back what onlyNewer has done.
func (a *Agent) readmit() {
	if a.policy == nil {
		return
	}
	if policy, err := a.policyNow(); err == nil {
		a.policy.Installed = policy.Installed
	}
}

// known returns the record of the release of m; nil: there is none.
func (a *Agent) known(m *proto.Manifest) (*installed.Record, error) {
	if a.journal == nil {
		return nil, nil
	}
	r, err := a.journal.Of(a.pathOf(m), m.Component)
	if err != nil || !r.Is(m) {
		return nil, err
	}
	return r, nil
}

// runs reports whether the operating system says that the release of m runs.
func (a *Agent) runs(m *proto.Manifest) (bool, error) {
	if a.journal == nil || a.cfg.Install.Running == nil {
		return false, nil
	}
	running, err := a.cfg.Install.Running()
	return running.Is(m), err
}

// pathOf returns the path that the file of m gets; empty: none.
func (a *Agent) pathOf(m *proto.Manifest) string {
	t, ok := a.cfg.Target.(besides)
	if !ok {
		return ""
	}
	path, err := filepath.Abs(t.PathOf(m))
	if err != nil {
		return t.PathOf(m)
	}
	return path
}
