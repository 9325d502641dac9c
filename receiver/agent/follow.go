// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

// errNoTrust refuses to follow what anybody may send.
var errNoTrust = errors.New("agent: Follow needs Config.Trust, which says what is newer")

// Follow receives files and has each of them installed, one after the other, each
// newer than the one before. Without Config.Components it keeps to the component of the
// first one, across restarts too, and reports an [OtherComponent] if there are more. An installation that fails is tried again as Config.Install
// says, while newer files are received. Follow returns an error in any case: the cause of
// ctx when that ends, or those of Receive and of [Received.Install], but no
// [*InstallError]: that is an event [InstallFailed]. If install is nil, nothing is to be
// done but to put files into place. It needs Config.Trust.
func (a *Agent) Follow(ctx context.Context, install InstallFunc) error {
	return a.follow(ctx, install, a.listen)
}

// A listenFunc begins to listen.
type listenFunc func() (multicast.Listener, error)

func (a *Agent) follow(ctx context.Context, install InstallFunc, listen listenFunc) error {
	if a.policy == nil {
		return errNoTrust
	}
	a.following = true
	a.cfg.KeepPending = install != nil
	if install != nil {
		if err := a.openJournal(); err != nil {
			return err
		}
	}
	if err := a.keepToInstalled(); err != nil {
		return err
	}
	file, err := a.Pending(ctx)
	for ; err == nil; file, err = a.next(ctx, listen) {
		if file == nil {
			continue // nothing is due
		}
		if install != nil {
			err := file.Install(ctx, install)
			if failed := (*InstallError)(nil); errors.As(err, &failed) {
				a.emit(InstallFailed{failed})
			} else if err != nil {
				return err
			}
		}
		a.onlyNewer(file.Manifest)
		a.later = true
	}
	return err
}

// next receives the next file, or returns one whose installation is due. Without a
// file and without an error, it is to be called again.
func (a *Agent) next(ctx context.Context, listen listenFunc) (*Received, error) {
	until, stop := a.untilDue(ctx)
	defer stop()
	file, err := a.receive(until, listen)
	if errors.Is(err, errDue) && ctx.Err() == nil {
		file, err := a.pending(ctx, false)
		if file == nil { // it is refused now, or others can change it
			a.look = time.Now().Add(recordEvery)
		}
		return file, err
	}
	if failed := (*InstallError)(nil); errors.As(err, &failed) { // the check
		a.emit(InstallFailed{failed})
		a.onlyNewer(failed.Manifest)
		return nil, nil
	}
	if given := (*GivenUpError)(nil); errors.As(err, &given) {
		a.emit(GivenUp{given})
		a.onlyNewer(given.Manifest)
		return nil, nil
	}
	return file, err
}

// onlyNewer refuses from now on, of the component of m, all but what is newer than m, be a
// downgrade allowed or not: no object has the id zero, so that nothing of the same
// sequence will do.
func (a *Agent) onlyNewer(m *proto.Manifest) {
	a.keepTo(m.Component)
	a.policy.AllowDowngrade, a.memory.AllowDowngrade = false, false
	for _, key := range a.policy.Keys {
		a.policy.Installed[receiver.Series{Key: key.ID, Component: m.Component}] = receiver.Release{Sequence: m.Sequence}
	}
}

// errDue ends a transfer, since an installation is due.
var errDue = errors.New("an installation is due")

// recordEvery is the time after which a record is read again that another process
// may change: "iotupd retry" and "iotupd confirm" do.
const recordEvery = time.Minute

// untilDue returns a context that ends with errDue when something is to be done about
// the record.
func (a *Agent) untilDue(ctx context.Context) (until context.Context, stop func()) {
	until, cancel := context.WithCancelCause(ctx)
	if a.journal == nil {
		return until, func() { cancel(nil) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			wait, due, more := a.whenDue()
			if early := time.Until(a.look); early > 0 {
				wait, due = max(wait, early), false
			}
			if due {
				cancel(errDue)
				return
			}
			if !more {
				return
			}
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-until.Done():
				timer.Stop()
				return
			}
		}
	}()
	return until, func() { cancel(nil); <-done }
}
