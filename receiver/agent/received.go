// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"os"

	"iotupd/proto"
	"iotupd/receiver/installed"
)

// A Received is a file that is in place, whole and verified.
type Received struct {
	Path     string            // empty if the target has none
	Manifest *proto.Manifest   // what it is
	Signers  []proto.PublicKey // trusted ones who signed it; none without Config.Trust

	Verified bool // the origin is: by a signature, or by what Config.Object or SHA256 names
	New      bool // it was received; otherwise the content was there before

	// Pending says that it has not been installed yet: a new file, or with
	// Config.KeepPending one that was there before, but whose installation did not
	// succeed.
	Pending bool

	agent *Agent
	note  *installed.Note // nil: none is kept
}

// besides is what a target is asked that puts files into a directory, where notes
// can be kept beside them.
type besides interface {
	// Of a target that knows the name already, m may be nil.
	Beside(m *proto.Manifest) (dir *os.Root, name string)
}

// A handover is a target that leaves a file to this user alone until it has been
// installed, so that nobody changes what was verified.
type handover interface {
	Withhold(m *proto.Manifest) (terms string)
	Release(m *proto.Manifest, terms string) error
	Exclusive(m *proto.Manifest) bool
}

// withhold has Commit leave the file to this user alone, if it is to be installed.
func (r *Received) withhold() {
	if t, ok := r.agent.cfg.Target.(handover); ok && r.note != nil {
		r.note.Terms = t.Withhold(r.Manifest)
	}
}

// release gives the installed file to whom it belongs.
func (r *Received) release() error {
	if t, ok := r.agent.cfg.Target.(handover); ok && r.note != nil {
		return t.Release(r.Manifest, r.note.Terms)
	}
	return nil
}

// exposed reports whether the file is to be installed although others can change it
// after it was verified.
func (r *Received) exposed() bool {
	t, ok := r.agent.cfg.Target.(handover)
	return ok && r.note.Pending() && !t.Exclusive(r.Manifest)
}

func (a *Agent) newReceived(path string, m *proto.Manifest, signers []proto.PublicKey) *Received {
	r := &Received{Path: path, Manifest: m, Signers: signers, Verified: a.verified(), agent: a}
	if t, ok := a.cfg.Target.(besides); ok && a.cfg.KeepPending {
		dir, name := t.Beside(m)
		r.note = installed.NewNote(dir, name, m.Descriptor.SHA256)
	}
	return r
}

// Channel returns the name of the channel that it was received on.
func (r *Received) Channel() string { return r.agent.cfg.Channel }

// Installed notes that the file has been installed: Pending is false from now on,
// in later runs too. The file gets the owner and the mode of the old one, if others
// could have changed it with these. Errors are of type [*installed.PendingError] and
// [*filestore.Error].
func (r *Received) Installed() error {
	released := r.release()
	if err := cmp.Or(r.note.Remove(), released); err != nil {
		return err
	}
	r.Pending = false
	r.agent.emit(Installed{r})
	return nil
}

// An InstallFunc installs a received file. When ctx ends, it returns the cause of
// that. It runs on the goroutine of the caller of [Agent.Follow] or
// [Received.Install], while nothing is received.
type InstallFunc func(ctx context.Context, file *Received) error

// Install installs the file if it is pending, and notes that. If install fails the
// error is an [*InstallError], unless ctx has ended; the file stays pending.
func (r *Received) Install(ctx context.Context, install InstallFunc) error {
	if !r.Pending {
		return nil
	}
	if t, ok := r.agent.cfg.Target.(checkedTarget); ok {
		if err := t.Check(); err != nil { // Path would be that of nothing, or of another file
			return err
		}
	}
	if !r.New {
		r.agent.emit(InstallPending{r})
	}
	if err := install(ctx, r); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &InstallError{err}
	}
	return r.Installed()
}
