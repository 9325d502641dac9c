// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"iotupd/internal/boot"
	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver/installed/state"
)

// A Journal keeps the [Record]s of a channel in a directory, by which an installation
// goes on after a power cut where it was. Each record is replaced as a whole, before the
// step that it is about. One goroutine uses a Journal; any number of processes and of
// Journals may share a directory.
type Journal struct {
	dir        *os.Root
	path       string // of dir, absolute
	channel    string
	keys       []proto.PublicKey // that are trusted; none: files are not signed
	components []string          // that matter; none: all
	spares     []*durable.Spare

	// Rules are how often and when an installation is tried.
	Rules state.Rules
}

// OpenJournal opens the records of a channel that belong to the given keys, or without
// keys the records of files that are not signed. With components, only the records of these
// matter. It makes the directory if need be, and tries at once that something can be
// written there. Errors are of type [*DirError].
func OpenJournal(dir, channel string, keys []proto.PublicKey, components ...string) (*Journal, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: root, path: dir, channel: channel, keys: keys, components: components}
	if path, err := filepath.Abs(dir); err == nil {
		j.path = path
	}
	if err := j.Reserve(); err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// Dir returns the path of the directory.
func (j *Journal) Dir() string { return j.path }

// Reserve keeps room for records. Errors are of type [*DirError].
func (j *Journal) Reserve() (err error) {
	j.spares, err = keepSpares(j.dir, j.spares, max(1, len(j.keys)))
	return err
}

// CanRecord reports why no record can be written of a file of a component that goes to a
// path. Errors are of type [*Error].
func (j *Journal) CanRecord(path, component string) error {
	names := []string{j.fileName(Unsigned, path, "")}
	if len(j.keys) > 0 {
		names = nil
	}
	for _, key := range j.keys {
		names = append(names, j.fileName(key.ID.String(), "", component))
	}
	for _, name := range names {
		err := durable.Replaceable(j.dir, name)
		if info, e := j.dir.Lstat(name); e == nil && info.IsDir() {
			err = errors.New("is a directory")
		}
		if err != nil {
			return &Error{Path: filepath.Join(j.path, name), Err: fmt.Errorf("the state of the installation cannot be recorded: %w", durable.Cause(err))}
		}
	}
	return nil
}

// Close lets go of the directory. The records stay.
func (j *Journal) Close() {
	for _, s := range j.spares {
		s.Close()
	}
	j.dir.Close()
}

// Now returns the present moment.
func Now() state.Moment { return state.Moment{Boot: boot.ID(), Uptime: boot.Uptime()} }

// Versions of this program that know no components read all files with the first suffix,
// and must not find what they cannot understand.
const (
	recordSuffix    = ".state"
	componentSuffix = ".component-state"
	lockSuffix      = ".lock"
)

func channelPrefix(channel string) string { return shortHash(channel) + "-" }

// fileName names the record of a trust root and a component.
func (j *Journal) fileName(root, path, component string) string {
	return recordName(j.channel, root, path, component)
}

// recordName names a record. A channel, a path and a component may be any text.
func recordName(channel, root, path, component string) string {
	suffix := recordSuffix
	if component != "" {
		suffix = componentSuffix
	}
	return channelPrefix(channel) + family(root, path) + componentPart(component) + suffix
}

// fileName names the file that r was read from.
func (r *Record) fileName() string {
	if r.early {
		return recordName(r.Channel, r.Root, r.Path, "")
	}
	return recordName(r.Channel, r.Root, r.Path, r.Component)
}

// family names the records of which one stands for all: for a key by its id, and for a
// file that is not signed by its path.
func family(root, path string) string {
	if root != Unsigned {
		return root
	}
	return Unsigned + "-" + shortHash(path)
}

// readRecord reads the record called name in dir. It is nil if there is none. Errors are
// of type [*Error] and [*DamagedRecordError].
func readRecord(dir *os.Root, name string) (*Record, error) {
	path := filepath.Join(dir.Name(), name)
	f, err := durable.OpenRegularIn(dir, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Path: path, Err: durable.Cause(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecordLen))
	if err != nil {
		return nil, &Error{Path: path, Err: durable.Cause(err)}
	}
	r, err := parseRecord(string(b))
	if err != nil || r.fileName() != name {
		return nil, &DamagedRecordError{Path: path}
	}
	if !durable.OwnedAlone(f) { // who else can write it must not say whose the file shall be
		r.Terms = ""
	}
	return r, nil
}

// Of returns the record for a file of a component that goes to a path: the latest one of the
// trusted keys, or of a file that is not signed the one of its path, whatever its component.
// It is nil if there is none. Errors are of type [*Error] and [*DamagedRecordError].
func (j *Journal) Of(path, component string) (latest *Record, err error) {
	if len(j.keys) == 0 {
		return readRecord(j.dir, j.fileName(Unsigned, path, ""))
	}
	for _, key := range j.keys {
		r, err := j.read(key.ID.String(), component)
		if err != nil {
			return nil, err
		}
		if r != nil && (latest == nil || r.laterThan(latest)) {
			latest = r
		}
	}
	return latest, nil
}

// All returns all records that [Journal.Of] can return.
func (j *Journal) All() (all []*Record, err error) {
	if len(j.keys) == 0 {
		return readAll(j.dir, func(name string) bool {
			return strings.HasPrefix(name, channelPrefix(j.channel)+Unsigned+"-")
		})
	}
	components := j.components
	if len(components) == 0 {
		if components, err = j.recorded(); err != nil {
			return nil, err
		}
	}
	for _, c := range components {
		r, err := j.Of("", c)
		if err != nil {
			return nil, err
		}
		if r != nil {
			all = append(all, r)
		}
	}
	return all, nil
}

// recorded returns the components of which there are records of the trusted keys.
func (j *Journal) recorded() (components []string, err error) {
	of := func(name string) bool {
		return slices.ContainsFunc(j.keys, func(key proto.PublicKey) bool {
			return strings.HasPrefix(name, channelPrefix(j.channel)+key.ID.String())
		})
	}
	all, err := readAll(j.dir, of)
	for _, r := range all {
		components = append(components, r.Component)
	}
	slices.Sort(components)
	return slices.Compact(components), err
}

// Needed returns the objects of the files that are still to be installed of other components
// of the channel than the given one, by their ids. Records that cannot be read are left out.
func (j *Journal) Needed(component string) map[string]bool {
	needed := make(map[string]bool)
	entries, _ := fs.ReadDir(j.dir.FS(), ".")
	for _, e := range entries {
		if !isRecord(e.Name()) || !strings.HasPrefix(e.Name(), channelPrefix(j.channel)) {
			continue
		}
		if r, err := readRecord(j.dir, e.Name()); err == nil && r != nil && r.Manifest != nil && r.Component != component && r.State.Pending() {
			needed[r.Manifest.Descriptor.Object().String()] = true
		}
	}
	return needed
}

func isRecord(name string) bool {
	return strings.HasSuffix(name, recordSuffix) || strings.HasSuffix(name, componentSuffix)
}

// readAll reads the wanted records. An early one is left out if there is a later one of its
// component.
func readAll(dir *os.Root, wanted func(name string) bool) (all []*Record, err error) {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, &Error{Path: dir.Name(), Err: durable.Cause(err)}
	}
	for _, e := range entries {
		if !isRecord(e.Name()) || !wanted(e.Name()) {
			continue
		}
		r, err := readRecord(dir, e.Name())
		if err != nil {
			return nil, err
		}
		if r != nil {
			all = append(all, r)
		}
	}
	return slices.DeleteFunc(all, func(r *Record) bool {
		return r.early && slices.ContainsFunc(all, func(o *Record) bool {
			return !o.early && o.Channel == r.Channel && o.Root == r.Root && o.Component == r.Component
		})
	}), nil
}

// write replaces the record for each of the trust roots. When it returns nil, that
// survives a power cut. Errors are of type [*Error].
func (j *Journal) write(r *Record, roots []string) error {
	for _, root := range roots {
		mine := *r
		mine.Root, mine.early = root, false
		if len(mine.Why) > maxWhy {
			mine.Why = mine.Why[:maxWhy]
		}
		err := j.moveEarly(root, r.Component)
		if err == nil {
			err = j.put(&mine)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// put replaces the file of a record.
func (j *Journal) put(r *Record) error {
	var room *durable.Spare
	if i := slices.IndexFunc(j.spares, func(s *durable.Spare) bool { return !s.Used() }); i >= 0 {
		room = j.spares[i]
	}
	name := r.fileName()
	if err := room.Replace(j.dir, name, []byte(r.text()), 0o600); err != nil {
		return &Error{Path: filepath.Join(j.path, name), Err: fmt.Errorf("the state of the installation cannot be recorded: %w", durable.Cause(err))}
	}
	return nil
}

// componentOf is the component by which the release of m is recorded. Whoever can make an
// unsigned file can name any.
func (j *Journal) componentOf(m *proto.Manifest) string {
	if len(j.keys) == 0 {
		return ""
	}
	return m.Component
}

// roots are those by which the release of a manifest is recorded.
func (j *Journal) roots(m *proto.Manifest, all bool) (roots []string) {
	if len(j.keys) == 0 {
		return []string{Unsigned}
	}
	keys := j.keys
	if !all {
		keys = proto.Signers(m.AppendTo(nil), j.keys)
	}
	for _, key := range keys {
		roots = append(roots, key.ID.String())
	}
	return roots
}

// Arrive records that the file of m is about to be put to path. A release that is not
// the one of the record so far begins again. With downgrade, no trusted key keeps a record
// of a later release. The record of before is for [Journal.TakeBack]. Errors are of type
// [*Error], [*DamagedRecordError] and [*LockedError].
func (j *Journal) Arrive(m *proto.Manifest, path, terms string, downgrade bool) (r, before *Record, err error) {
	err = j.locked(func() error {
		component := j.componentOf(m)
		if before, err = j.Of(path, component); err != nil {
			return err
		}
		r = &Record{Channel: j.channel, Component: component, Manifest: m, Path: path, Terms: terms}
		if before != nil {
			r.Running = before.Last()
		}
		if before.Is(m) {
			r.Progress = before.Progress
		}
		r.Progress, _ = r.After(state.Arrives, Now(), j.Rules)
		return j.write(r, j.roots(m, downgrade))
	})
	return r, before, err
}

// TakeBack undoes Arrive: the file was not put into place.
func (j *Journal) TakeBack(r, before *Record) {
	j.locked(func() error {
		roots := j.roots(r.Manifest, false)
		if before != nil {
			return j.write(before, roots)
		}
		for _, root := range roots {
			j.dir.Remove(j.fileName(root, r.Path, r.Component))
		}
		return nil
	})
}

// Happens records an event of an installation, and what led to it, and returns the new
// record. What another process has recorded meanwhile counts: if the event has no
// meaning any more, nothing changes and ok is false. Errors are of type [*Error],
// [*DamagedRecordError] and [*LockedError].
func (j *Journal) Happens(r *Record, e state.Event, why string) (now *Record, ok bool, err error) {
	err = j.locked(func() error {
		now, err = j.Of(r.Path, r.Component)
		if err != nil || r.Manifest == nil || !now.Is(r.Manifest) {
			return err
		}
		var next state.Progress
		if next, ok = now.After(e, Now(), j.Rules); !ok || next == now.Progress {
			return nil
		}
		changed := *now
		changed.Progress, changed.Why, changed.early = next, why, false
		if next.State == state.Confirmed {
			changed.Running = changed.release()
		}
		now = &changed
		return j.write(now, j.roots(now.Manifest, false))
	})
	return now, ok, err
}

// Overtaken records that a later release runs than the one of r, which is not to be
// installed any more. Errors as of [Journal.Happens].
func (j *Journal) Overtaken(r *Record, by Running) error {
	return j.locked(func() error {
		now, err := j.Of(r.Path, r.Component)
		if err != nil || !now.Is(r.Manifest) {
			return err
		}
		return j.write(&Record{Channel: j.channel, Component: r.Component, Path: r.Path, Running: by}, j.roots(r.Manifest, false))
	})
}

// lockTimeout is how long another process may take to write a state, or to install.
var lockTimeout = 5 * time.Second

// locked calls do while no other process writes to the directory.
func (j *Journal) locked(do func() error) error {
	l, err := lockFile(j.dir, "lock", lockTimeout)
	if err != nil {
		return err
	}
	defer l.Close()
	return do()
}
