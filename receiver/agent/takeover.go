// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"iotupd/internal/durable"
	"iotupd/internal/takeover"
	"iotupd/proto"
	"iotupd/proto/manifestfile"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
)

// A receiver without privileges hands a file over to an installer by two files in a
// directory: the file, under the name of [filestore.Objects], and then its manifest.

// readySuffix ends the name of the manifest, which follows the name of the object.
const readySuffix = manifestfile.Suffix

// HandOver returns a function that installs a file by handing it over to
// [Agent.InstallFrom] of another process: it puts the manifest beside the file. The
// target is [filestore.Objects]. Files of earlier releases of the same component are removed.
func HandOver() InstallFunc {
	return func(_ context.Context, file *Received) error {
		path := strings.TrimSuffix(file.Path, filestore.ObjectSuffix) + readySuffix
		if err := durable.ReplaceFile(path, file.Manifest.AppendTo(nil), 0o644); err != nil {
			return err
		}
		dir, err := os.OpenRoot(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer dir.Close()
		return file.agent.removeOthers(dir, file.Manifest)
	}
}

// removeOthers removes the files in a directory that were handed over, except the two of m,
// files of other components, and what by the records is still needed for one.
func (a *Agent) removeOthers(dir *os.Root, m *proto.Manifest) error {
	var needed map[string]bool
	if a.journal != nil {
		needed = a.journal.Needed(m.Component)
	}
	entries, err := fs.ReadDir(dir.FS(), ".")
	for _, e := range entries {
		id, _, _ := strings.Cut(e.Name(), ".")
		if _, err := proto.ParseObjectID(id); err != nil || id == m.Descriptor.Object().String() || needed[id] {
			continue
		}
		if b, err := dir.ReadFile(id + readySuffix); err == nil {
			if o, err := proto.ParseManifest(b); err == nil && o.Component != m.Component {
				continue
			}
		}
		dir.Remove(e.Name())
	}
	return err
}

// handedEvery is how often the directory is looked at while an installation is due later.
const handedEvery = 10 * time.Second

// InstallFrom takes the newest release of each component over that another process has put
// into the directory at path by [HandOver], and has it installed, or goes on with an earlier
// one.
// Other users may write to the directory: the file is moved or copied to where only this
// user can write, and verified there like a file that is received. InstallFrom makes all attempts, and returns nil when nothing is due any more,
// also if they have failed: that is an event [InstallFailed]. Nothing is received. It needs
// Config.Trust, Config.KeepPending and the target [filestore.Objects] in a directory that
// nobody else can write to.
func (a *Agent) InstallFrom(ctx context.Context, path string, install InstallFunc) error {
	if a.policy == nil || a.journal == nil {
		return errNoTrust
	}
	dir, err := os.OpenRoot(path)
	if err != nil {
		return &filestore.Error{Path: path, Err: fmt.Errorf("directory %s: %w", path, durable.Cause(err))}
	}
	defer dir.Close()
	file, err := a.Pending(ctx)
	for err == nil {
		var files []*Received
		if files, err = a.takeOver(ctx, dir); err != nil {
			break
		}
		if file != nil && !slices.ContainsFunc(files, func(newer *Received) bool { return newer.Manifest.Component == file.Manifest.Component }) {
			files = append(files, file)
		}
		for i := 0; err == nil && i < len(files); i++ {
			err = a.installTaken(ctx, files[i], install)
		}
		wait, due := a.dueAgain()
		if err != nil || !due {
			break
		}
		select {
		case <-time.After(min(wait, handedEvery)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		file, err = a.pending(ctx, false)
	}
	return err
}

// installTaken installs a file, and removes it if nothing is left to do with it.
func (a *Agent) installTaken(ctx context.Context, file *Received, install InstallFunc) error {
	err := file.Install(ctx, install)
	if failed := (*InstallError)(nil); errors.As(err, &failed) {
		a.emit(InstallFailed{failed})
		return nil
	}
	if err == nil {
		os.Remove(file.Path)
	}
	return err
}

// dueAgain returns the time until an installation is due whose file is there.
func (a *Agent) dueAgain() (wait time.Duration, due bool) {
	records, err := a.records()
	if err != nil {
		return 0, true // the next step reports it
	}
	for _, r := range records {
		if in, ok := r.Due(installed.Now(), a.journal.Rules, false); ok && r.State.Pending() && exists(r.Path) {
			return in, true
		}
	}
	return 0, false
}

// takeOver takes the newest release of each component over that is in dir and that the
// policy accepts.
func (a *Agent) takeOver(ctx context.Context, dir *os.Root) (files []*Received, err error) {
	own, _ := a.cfg.Target.(besides).Beside(nil)
	all, err := a.takeManifests(dir, own)
	if err != nil {
		return nil, err
	}
	for _, best := range newest(all) {
		wanted, err := a.wants(best.Manifest)
		if err != nil {
			return nil, err
		}
		if !wanted {
			own.Remove(manifestName(best.Manifest))
			dir.Remove(filestore.ObjectName(best.Manifest))
			continue
		}
		file, err := a.takeFile(ctx, dir, own, best)
		if err != nil {
			return nil, err
		}
		if file != nil {
			files = append(files, file)
		}
	}
	return files, nil
}

// newest returns the newest offer of each component.
func newest(all []*offer) (best []*offer) {
	slices.SortStableFunc(all, func(m, o *offer) int {
		return cmp.Or(cmp.Compare(m.Component, o.Component), -cmp.Compare(m.Sequence, o.Sequence))
	})
	return slices.CompactFunc(all, func(m, o *offer) bool { return m.Component == o.Component })
}

// wants reports whether the release of m is to be taken over.
func (a *Agent) wants(m *proto.Manifest) (bool, error) {
	record, err := a.known(m)
	runs, err2 := a.runs(m)
	if err = errors.Join(err, err2); err != nil {
		return false, err
	}
	if record != nil && record.State.GivenUp() {
		a.emit(GivenUp{&GivenUpError{Manifest: m, State: record.State, Why: record.Why}})
		return false, nil
	}
	return !runs && (record == nil || !record.State.Done()), nil
}

// An offer is a manifest that the policy accepts.
type offer struct {
	*proto.Manifest
	signers []proto.PublicKey
}

// mostOffers is how many manifests are looked at; there is one, unless somebody else is
// at work.
const mostOffers = 256

// takeManifests moves all manifests of accepted components from dir to own, where they stay
// until there is a record, and returns those that the policy accepts, also of a run that was
// killed.
func (a *Agent) takeManifests(dir, own *os.Root) (all []*offer, err error) {
	d, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(4 * mostOffers)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, readySuffix) && !a.leaves(dir, name) {
			takeManifest(dir, name, own)
		}
	}
	entries, err := fs.ReadDir(own.FS(), ".")
	if err != nil {
		return nil, err
	}
	policy, err := a.policyNow()
	if err != nil {
		return nil, err
	}
	policy.MinSequence = a.policy.MinSequence
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), readySuffix) {
			continue
		}
		b, err := own.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		m, signers, err := policy.Verify(time.Now(), b)
		if err == nil && e.Name() == manifestName(m) {
			all = append(all, &offer{m, signers})
			continue
		}
		if m != nil && !a.takes(m) {
			continue // a run for its component goes on with it
		}
		own.Remove(e.Name())
		a.refuse(m, err)
	}
	return all, nil
}

// takes reports whether releases of the component of m are accepted.
func (a *Agent) takes(m *proto.Manifest) bool {
	accepted := a.accepted()
	return len(accepted) == 0 || slices.Contains(accepted, m.Component)
}

// leaves reports whether a manifest in dir is by what it says one for another run of
// [Agent.InstallFrom], which takes its component.
func (a *Agent) leaves(dir *os.Root, name string) bool {
	if len(a.accepted()) == 0 {
		return false
	}
	f, err := durable.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, proto.MaxShardSize))
	if err != nil {
		return false
	}
	m, err := proto.ParseManifest(b)
	return err == nil && name == manifestName(m) && !a.takes(m)
}

// manifestName names the manifest of m beside its file.
func manifestName(m *proto.Manifest) string { return m.Descriptor.Object().String() + readySuffix }

// takeManifest moves a manifest. What is called so and is not one is removed, or it would
// be looked at again and again.
func takeManifest(dir *os.Root, name string, own *os.Root) {
	if _, err := proto.ParseObjectID(strings.TrimSuffix(name, readySuffix)); err != nil {
		dir.RemoveAll(name)
		return
	}
	own.Remove(name)
	t, err := takeover.Take(dir, name, own, name, proto.MaxShardSize)
	if err != nil {
		dir.RemoveAll(name)
		return
	}
	t.File.Close()
}

func (a *Agent) refuse(m *proto.Manifest, err error) {
	e := Rejected{}
	errors.As(err, &e.Reason)
	if m != nil {
		e.Object, e.Name = m.Descriptor.Object(), m.Name
	}
	a.emit(e)
}

// takeFile takes the file of an offer over, and verifies it.
func (a *Agent) takeFile(ctx context.Context, dir, own *os.Root, o *offer) (*Received, error) {
	name := filestore.ObjectName(o.Manifest)
	if err := a.takeContent(ctx, dir, own, o.Manifest); err != nil {
		if ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) {
			return nil, err // the next run goes on with the manifest
		}
		for _, left := range []string{name, name + ".left", manifestName(o.Manifest)} {
			own.Remove(left)
		}
		a.emit(TakeOverFailed{Manifest: o.Manifest, Err: err})
		return nil, nil
	}
	file := a.newReceived(filepath.Join(own.Name(), name), o.Manifest, o.signers)
	file.New, file.Pending = true, true
	if err := file.arrive(""); err != nil {
		return nil, err
	}
	a.removeOthers(own, o.Manifest)
	own.Remove(manifestName(o.Manifest))
	return file, a.remember(o.Manifest, o.signers, receiver.ReleaseOf(o.Manifest))
}

// takeContent takes the file of m over, and verifies it. A run that was killed may have
// moved it already; whoever had it open for writing may have so still.
func (a *Agent) takeContent(ctx context.Context, dir, own *os.Root, m *proto.Manifest) error {
	name := filestore.ObjectName(m)
	from, as := dir, name
	if left := name + ".left"; own.Rename(name, left) == nil {
		from, as = own, left
	}
	t, err := takeover.Take(from, as, own, name, int64(m.Descriptor.Size))
	if err != nil {
		return err
	}
	defer t.File.Close()
	return a.verifyTaken(ctx, t, m)
}

// errContent says that a file is not the one of its manifest.
var errContent = errors.New("the content does not match the manifest")

// errWritten says that somebody could still write to a file.
var errWritten = errors.New("another process has it open for writing")

// verifyTaken compares the file that was taken over with its manifest.
func (a *Agent) verifyTaken(ctx context.Context, t *takeover.Taken, m *proto.Manifest) error {
	h := sha256.New()
	n, err := io.Copy(h, readerWith{ctx, t.File})
	switch {
	case err != nil:
		return err
	case uint64(n) != m.Descriptor.Size || [sha256.Size]byte(h.Sum(nil)) != m.Descriptor.SHA256:
		return errContent
	case !t.Unchanged():
		return errWritten
	}
	return nil
}

// A readerWith ends with its context.
type readerWith struct {
	ctx context.Context
	r   io.Reader
}

func (r readerWith) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(b)
}
