// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"

	"os"

	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
)

// An InstallFunc installs a received file. When ctx ends, it returns the cause of
// that. It may return ErrLater or ErrRejected. It runs on the goroutine of the caller of
// [Agent.Follow] or [Received.Install], while nothing is received.
type InstallFunc func(ctx context.Context, file *Received) error

// Install makes one attempt to install the file if it is pending, and records what
// becomes of it, each step before it is made. If install fails the error is an
// [*InstallError], unless ctx has ended. It is a [*installed.LockedError] if another
// process installs, and a [*installed.PendingError] if the success cannot be recorded.
func (r *Received) Install(ctx context.Context, install InstallFunc) error {
	if !r.Pending {
		return nil
	}
	if t, ok := r.agent.cfg.Target.(checkedTarget); ok {
		if err := t.Check(); err != nil { // Path would be that of nothing, or of another file
			return err
		}
	}
	if r.record == nil {
		return r.installOnce(ctx, install)
	}
	return r.attempt(ctx, func() error {
		if !r.New {
			r.agent.emit(InstallPending{r})
		}
		return r.ended(ctx, install(ctx, r), state.Succeeds)
	})
}

// attempt does what belongs to an attempt while nobody else installs.
func (r *Received) attempt(ctx context.Context, do func() error) error {
	lock, err := r.agent.journal.Lock(r.record)
	if err != nil {
		return err
	}
	r.lock = lock
	defer func() { lock.Close(); r.lock = nil }()
	if err := r.begin(); err != nil {
		return err
	}
	err = do()
	if ctx.Err() != nil && (err == nil || errors.As(err, new(*InstallError))) {
		err = context.Cause(ctx)
	}
	return err
}

// commit puts the file into place.
func (r *Received) commit(ctx context.Context) (err error) {
	a := r.agent
	if check := a.cfg.Install.Check; check != nil {
		a.cfg.Target.(inspected).Inspect(func(path string) error { return r.check(ctx, check, path) })
	}
	r.Path, err = a.cfg.Target.Commit(ctx, r.Manifest)
	failed := (*InstallError)(nil)
	switch {
	case errors.As(err, &failed) && failed.State == state.Rejected:
		a.cfg.Target.Discard()
	case err != nil && r.Path == "" && r.record != nil && r.record.State == state.Received && r.record.Attempts == 0:
		r.takeBack()
	}
	return err
}

// inspected is a target whose files can be looked at before they get their name.
type inspected interface {
	Inspect(func(path string) error)
}

func canInspect(t any) bool { _, ok := t.(inspected); return ok }

// check has the finished file checked, which is at path for now.
func (r *Received) check(ctx context.Context, check InstallFunc, path string) error {
	return r.attempt(ctx, func() error {
		r.Path = path
		err := r.ended(ctx, check(ctx, r), state.Passes)
		r.Path = ""
		if failed := (*InstallError)(nil); errors.As(err, &failed) {
			failed.Check = true
		}
		return err
	})
}

// installOnce installs a file of which no record is kept.
func (r *Received) installOnce(ctx context.Context, install InstallFunc) error {
	err := install(ctx, r)
	switch {
	case err == nil:
		return r.Installed()
	case ctx.Err() != nil:
		return err
	}
	return &InstallError{Err: err}
}

// begin records that an attempt begins.
func (r *Received) begin() error {
	j := r.agent.journal
	if wait, ok := r.record.Due(installed.Now(), j.Rules, true); ok && wait > 0 {
		err := errors.New("all attempts were cut off, by a reboot or a signal")
		return &InstallError{Err: err, State: state.Received, Attempt: r.record.Attempts, Again: wait, Manifest: r.Manifest}
	}
	record, ok, err := j.Happens(r.record, state.Starts, "")
	if err != nil {
		return err
	}
	if !ok {
		return &InstallError{Err: errors.New("another process has installed a release meanwhile"), State: record.State, Manifest: r.Manifest}
	}
	r.record = record
	return nil
}

// ended records how an attempt has ended; success is what it means if it has not failed.
func (r *Received) ended(ctx context.Context, result error, success state.Event) error {
	event, why := success, ""
	switch {
	case result == nil:
	case ctx.Err() != nil && errors.Is(result, context.Cause(ctx)):
		event = state.CutOff
	case errors.Is(result, ErrLater):
		event = state.Defers
	case errors.Is(result, ErrRejected):
		event = state.Rejects
	default:
		event = state.Fails
	}
	if result != nil {
		why = result.Error()
	}
	j, attempt := r.agent.journal, r.record.Attempts
	record, _, err := j.Happens(r.record, event, why)
	if err != nil && result == nil {
		return pendingError(r, err)
	}
	if err == nil && record.Is(r.Manifest) {
		r.record = record
	}
	switch {
	case event == state.CutOff:
		return result
	case err != nil:
		return err
	case event == state.Passes:
		return nil
	case r.record.State.Done():
		return r.finished()
	}
	r.Pending = r.record.State.Pending()
	again, _ := r.record.Due(installed.Now(), j.Rules, false)
	return &InstallError{Err: result, State: r.record.State, Attempt: attempt, Again: again, Manifest: r.Manifest}
}

// finished gives the file to whom it belongs.
func (r *Received) finished() error {
	if err := r.release(); err != nil {
		return err
	}
	r.Pending = false
	r.agent.emit(Installed{r})
	return nil
}

// Installed records that the file has been installed: Pending is false from now on,
// in later runs too. The file gets the owner and the mode of the old one, if others
// could have changed it with these. Errors are of type [*installed.PendingError] and
// [*filestore.Error].
func (r *Received) Installed() error {
	if err := r.recordInstalled(); err != nil {
		return err
	}
	return r.finished()
}

func (r *Received) recordInstalled() error {
	if r.record == nil {
		return nil
	}
	record, ok, err := r.agent.journal.Happens(r.record, state.Recorded, "")
	if err != nil {
		return pendingError(r, err)
	}
	if ok {
		r.record = record
	}
	return nil
}

// pendingError says that a success could not be recorded.
func pendingError(r *Received, err error) error {
	var failed *installed.Error
	if errors.As(err, &failed) {
		return &installed.PendingError{Path: failed.Path, Err: failed.Err}
	}
	return &installed.PendingError{Path: r.agent.journal.Dir(), Err: err}
}

// consumes reports whether received bytes go to somebody who must not get them twice:
// what was passed on of a signed release is remembered like what was installed.
func (a *Agent) consumes() bool {
	t, ok := a.cfg.Target.(interface{ Consumes() bool })
	return ok && t.Consumes() && len(a.cfg.Trust) > 0
}

// installs reports whether what becomes of a file is more than that it is in place.
func (a *Agent) installs() bool { return a.cfg.KeepPending || a.consumes() }

// exists reports whether there is a file at a path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
