// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"path/filepath"
	"slices"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/installed"
)

// accepted are the components of which this agent takes releases; none: any. Any goroutine
// may call it.
func (a *Agent) accepted() []string {
	if kept := a.kept.Load(); kept != nil {
		return []string{*kept}
	}
	return a.cfg.Components
}

// keepTo has the agent keep to a component, if it follows and was not given any. The
// goroutine of receiver.Run or of the agent calls it.
func (a *Agent) keepTo(component string) {
	if !a.following || len(a.cfg.Components) > 0 || a.kept.Load() != nil {
		return
	}
	a.kept.Store(&component)
	a.policy.Components = []string{component}
}

// keepToInstalled has a follower that was not given a component keep to the one that was
// installed last at its place.
func (a *Agent) keepToInstalled() error {
	if len(a.cfg.Components) > 0 {
		return nil
	}
	if err := a.cfg.Target.Prepare(); err != nil {
		return err
	}
	component, known, err := a.memory.Kept(a.place())
	if err == nil && !known {
		component, known, err = a.installedHere()
	}
	if err == nil && known {
		a.keepTo(component)
	}
	return err
}

// installedHere returns the component of what a run has installed at this place that did not
// follow, or that did not know components.
func (a *Agent) installedHere() (component string, known bool, err error) {
	if a.journal != nil {
		all, err := a.journal.All()
		if err != nil {
			return "", false, err
		}
		all = slices.DeleteFunc(all, func(r *installed.Record) bool { return r.Manifest == nil || r.Path != a.pathOf(r.Manifest) })
		if len(all) > 0 {
			return all[0].Component, len(all) == 1, nil
		}
	}
	for s := range a.policy.Installed {
		if s.Component != "" {
			return "", false, nil // which of them is at this place is not known
		}
		known = true
	}
	return "", known, nil
}

// place names where this agent puts files; empty: the target has no path.
func (a *Agent) place() string {
	t, ok := a.cfg.Target.(besides)
	if !ok {
		return ""
	}
	dir, name := t.Beside(nil)
	path, err := filepath.Abs(filepath.Join(dir.Name(), name))
	if err != nil {
		return filepath.Join(dir.Name(), name)
	}
	return path
}

// mine reports whether the installation of a record is the business of this agent, and not
// of another one with the same records.
func (a *Agent) mine(r *installed.Record) bool {
	accepted := a.accepted()
	switch {
	case r.Manifest == nil:
		return false
	case len(a.cfg.Trust) == 0:
		return r.Path == a.pathOf(r.Manifest)
	case len(accepted) > 0:
		return slices.Contains(accepted, r.Component)
	}
	return r.Component == "" || r.Path == a.pathOf(r.Manifest)
}

// takeEarly makes the releases of the records of versions that knew no components count
// for their components.
func (a *Agent) takeEarly() error {
	if a.memory == nil {
		return nil
	}
	all, err := a.journal.All()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(r *installed.Record) bool { return !r.Early() })
	for _, r := range all {
		release := receiver.Release{Sequence: r.Manifest.Sequence, Object: r.Manifest.Descriptor.Object()}
		if err := a.memory.Record(proto.Signers(r.Manifest.AppendTo(nil), a.cfg.Trust), r.Component, release); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		a.policy.Installed, err = a.memory.Releases()
	}
	return err
}
