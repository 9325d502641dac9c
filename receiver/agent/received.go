// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"os"

	"iotupd/proto"
	"iotupd/receiver/installed"
)

// A Received is a file that is in place, whole and verified.
type Received struct {
	Path     string            // empty if the target has no path
	Manifest *proto.Manifest   // what it is
	Signers  []proto.PublicKey // trusted ones who signed it; none without Config.Trust

	Verified bool // the origin is: by a signature, or by what Config.Object or SHA256 names
	New      bool // it was received; otherwise the content was there before

	// Pending says that it is to be installed: a new file, or with Config.KeepPending
	// one that was there before, but whose installation has not ended.
	Pending bool

	agent  *Agent
	record *installed.Record // of its installation; nil: none is kept
	before *installed.Record // that was replaced by it
	lock   *installed.Lock   // while it is installed
}

// besides is what a target is asked that puts files into a directory.
type besides interface {
	// Beside names the directory, and the file there or a name in its place.
	Beside(m *proto.Manifest) (dir *os.Root, name string)
	PathOf(m *proto.Manifest) string
}

// A handover is a target that leaves a file to this user alone until it has been
// installed, so that nobody changes what was verified.
type handover interface {
	Withhold(m *proto.Manifest) (terms string)
	Release(m *proto.Manifest, terms string) error
	Exclusive(m *proto.Manifest) bool
}

// withhold has Commit leave the file to this user alone, if it is to be installed. It
// returns what is to be done with it afterwards.
func (r *Received) withhold() (terms string) {
	if t, ok := r.agent.cfg.Target.(handover); ok && r.agent.journal != nil {
		return t.Withhold(r.Manifest)
	}
	return ""
}

// release gives the installed file to whom it belongs.
func (r *Received) release() error {
	if t, ok := r.agent.cfg.Target.(handover); ok && r.record != nil {
		return t.Release(r.Manifest, r.record.Terms)
	}
	return nil
}

// exposed reports whether the file is to be installed although others can change it
// after it was verified.
func (r *Received) exposed() bool {
	t, ok := r.agent.cfg.Target.(handover)
	return ok && r.Pending && !t.Exclusive(r.Manifest)
}

func (a *Agent) newReceived(path string, m *proto.Manifest, signers []proto.PublicKey) *Received {
	return &Received{Path: path, Manifest: m, Signers: signers, Verified: a.verified(), agent: a}
}

// found returns a file that was there before. The record is about its release; nil: there
// is none.
func (a *Agent) found(path string, m *proto.Manifest, signers []proto.PublicKey, record *installed.Record) *Received {
	r := a.newReceived(path, m, signers)
	r.record = record
	r.Pending = path != "" && (record != nil && record.State.Pending() || record == nil && r.oldNote())
	return r
}

// oldNote reports whether the first version has left a note that the file is to be
// installed.
func (r *Received) oldNote() bool {
	_, pending := r.oldTerms()
	return pending
}

func (r *Received) oldTerms() (terms string, pending bool) {
	t, ok := r.agent.cfg.Target.(besides)
	if !ok || r.agent.journal == nil {
		return "", false
	}
	dir, name := t.Beside(r.Manifest)
	return installed.OldNote(dir, name, r.Manifest.Descriptor.SHA256)
}

// recordOld makes a record of what the first version has noted.
func (r *Received) recordOld() error {
	terms, pending := r.oldTerms()
	if r.record != nil || !pending {
		return nil
	}
	if err := r.arrive(terms); err != nil {
		return err
	}
	dir, name := r.agent.cfg.Target.(besides).Beside(r.Manifest)
	installed.RemoveOldNote(dir, name)
	return nil
}

// arrive records that the file is about to get its name, and is then to be installed.
func (r *Received) arrive(terms string) (err error) {
	a := r.agent
	if a.journal != nil {
		r.record, r.before, err = a.journal.Arrive(r.Manifest, a.pathOf(r.Manifest), terms, a.memory != nil && a.memory.AllowDowngrade)
	}
	return err
}

// takeBack undoes arrive.
func (r *Received) takeBack() {
	if r.record != nil {
		r.agent.journal.TakeBack(r.record, r.before)
	}
}

// Channel returns the name of the channel that it was received on.
func (r *Received) Channel() string { return r.agent.cfg.Channel }
