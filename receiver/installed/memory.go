// SPDX-License-Identifier: GPL-2.0-or-later

// Package installed remembers what a receiver has installed, so that nobody can
// pass off an older release as a new one, and which file still has to be
// installed. Both survive power cuts.
package installed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// A Memory remembers in a directory what was installed last of each component of a
// channel, by each key that signed it, so that nobody can pass off an older release
// (spec.md 5.5). Every series has a file of its own, so that a key that is not trusted
// any more has no say. The files of releases without a component are those of earlier
// versions of this program, which knows no components. It is replaced as a whole, and the highest sequence stays,
// whichever process is the last to write. One goroutine uses a Memory; any
// number of processes and of Memories may share a directory.
type Memory struct {
	dir        *os.Root
	channel    string
	keys       []proto.PublicKey // that are trusted
	components []string          // that matter; none: all
	spares     []*durable.Spare  // for the files of keys

	// AllowDowngrade makes Record take what was installed for what counts, be it
	// older than what had been installed before.
	AllowDowngrade bool
}

// DefaultDir is the usual directory: /var/lib/iotupd for root, else iotupd in
// $XDG_STATE_HOME or ~/.local/state. It is empty if this user has no such place.
func DefaultDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/iotupd"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "iotupd")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "iotupd")
}

// VolatileDir is a directory in memory, for records of a system whose disk is read-only;
// empty: this user has no such place. /run is of root alone.
func VolatileDir() string {
	if os.Geteuid() == 0 {
		return "/run/iotupd"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "iotupd")
	}
	return ""
}

// Open opens the states in a directory, of the given components or, without any, of all
// components, and makes it if need be. That something can be written there is tried at once, and room is kept: after the transfer
// it would be too late. Errors are of type [*DirError].
func Open(dir, channel string, keys []proto.PublicKey, components ...string) (*Memory, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	m := &Memory{dir: root, channel: channel, keys: keys, components: components}
	if err := m.Reserve(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// openDir opens a directory of states, and makes it if need be. That something can be
// written there is tried at once. Errors are of type [*DirError].
func openDir(dir string) (root *os.Root, err error) {
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = durable.TryDir(dir)
	}
	if err == nil {
		root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return nil, &DirError{Path: dir, Err: durable.Cause(err)}
	}
	return root, nil
}

// Reserve sees that Record can replace the files of all keys, and keeps room for new
// ones. Errors are of type [*DirError].
func (m *Memory) Reserve() (err error) {
	names, err := m.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := durable.Replaceable(m.dir, name); err != nil {
			return &DirError{Path: m.path(name), Err: err}
		}
	}
	m.spares, err = keepSpares(m.dir, m.spares, len(m.keys))
	return err
}

// keepSpares replaces the spare files that have been used, so that there are n.
func keepSpares(dir *os.Root, spares []*durable.Spare, n int) ([]*durable.Spare, error) {
	spares = slices.DeleteFunc(spares, (*durable.Spare).Used)
	for i := 0; len(spares) < n && i < maxSpares; i++ {
		s, err := durable.NewSpare(dir, fmt.Sprintf(".spare-%d", i))
		if err != nil {
			return spares, &DirError{Path: dir.Name(), Err: durable.Cause(err)}
		}
		if s != nil {
			spares = append(spares, s)
		}
	}
	return spares, nil
}

// maxSpares is how many spare files of all processes may be in a directory.
const maxSpares = 256

// Close lets go of the directory. The memory stays.
func (m *Memory) Close() {
	for _, s := range m.spares {
		s.Close()
	}
	m.dir.Close()
}

// Releases returns what was installed last, by the series. A file that cannot be
// understood is a [*DamagedError]: it must not count as none.
func (m *Memory) Releases() (map[receiver.Series]receiver.Release, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	all := make(map[receiver.Series]receiver.Release)
	for _, name := range names {
		s, r, known, err := m.read(name)
		if err != nil {
			return nil, err
		}
		if known {
			all[s] = r
		}
	}
	return all, nil
}

const stateSuffix = ".installed"

// names are the names of the state files that matter, which need not exist. Errors are of
// type [*DirError].
func (m *Memory) names() (names []string, err error) {
	for _, key := range m.keys {
		for _, c := range m.components {
			names = append(names, m.fileName(receiver.Series{Key: key.ID, Component: c}))
		}
	}
	if len(m.components) > 0 {
		return names, nil
	}
	entries, err := fs.ReadDir(m.dir.FS(), ".")
	if err != nil {
		return nil, &DirError{Path: m.dir.Name(), Err: durable.Cause(err)}
	}
	for _, key := range m.keys {
		names = append(names, m.fileName(receiver.Series{Key: key.ID}))
		prefix := channelPrefix(m.channel) + key.ID.String() + "-"
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), stateSuffix) {
				names = append(names, e.Name())
			}
		}
	}
	return names, nil
}

// fileName is the name of the state file of a series. A channel and a component may be
// any text.
func (m *Memory) fileName(s receiver.Series) string {
	return channelPrefix(m.channel) + s.Key.String() + componentPart(s.Component) + stateSuffix
}

// componentPart stands for a component in the name of a file. Files of releases without a
// component have the names that they had before there were components.
func componentPart(component string) string {
	if component == "" {
		return ""
	}
	return "-" + shortHash(component)
}

// shortHash stands for any text in the name of a file.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func (m *Memory) path(name string) string { return filepath.Join(m.dir.Name(), name) }

// text is the whole content of a state file. The checksum detects damage only:
// anybody who can write the file can do anything anyway.
func (m *Memory) text(s receiver.Series, r receiver.Release) string {
	text := fmt.Sprintf("iotupd installed v1\nchannel %q\nkey %v\n", m.channel, s.Key)
	if s.Component != "" {
		text += fmt.Sprintf("component %q\n", s.Component)
	}
	text += fmt.Sprintf("sequence %d\nobject %v\n", r.Sequence, r.Object)
	return text + fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
}

// maxStateLen is more than any text has.
const maxStateLen = 4096

func (m *Memory) read(name string) (s receiver.Series, r receiver.Release, known bool, err error) {
	f, err := durable.OpenRegularIn(m.dir, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return s, r, false, nil
	}
	if err != nil {
		return s, r, false, &Error{Path: m.path(name), Err: durable.Cause(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStateLen))
	if err != nil {
		return s, r, false, &Error{Path: m.path(name), Err: durable.Cause(err)}
	}
	if s, r, err = m.parse(string(b)); err != nil || m.fileName(s) != name {
		return s, r, false, &DamagedError{Path: m.path(name)}
	}
	return s, r, true, nil
}

var errState = errors.New("not a state file")

// parse reads what text wrote, for the same channel and a trusted key, and nothing else:
// what is found in it must make the same text.
func (m *Memory) parse(text string) (s receiver.Series, r receiver.Release, err error) {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		fields[name] = value
	}
	i := slices.IndexFunc(m.keys, func(key proto.PublicKey) bool { return key.ID.String() == fields["key"] })
	if i < 0 {
		return s, r, errState
	}
	s.Key = m.keys[i].ID
	if quoted, ok := fields["component"]; ok {
		if s.Component, err = strconv.Unquote(quoted); err != nil {
			return s, r, errState
		}
	}
	if r.Sequence, err = strconv.ParseUint(fields["sequence"], 10, 64); err != nil {
		return s, r, errState
	}
	if r.Object, err = proto.ParseObjectID(fields["object"]); err != nil || m.text(s, r) != text {
		return s, r, errState
	}
	return s, r, nil
}

// Record remembers for each of signers that r, of a component, is installed now. Whoever
// trusts one of them alone some day must not take what is older either. Errors are of type
// [*Error], [*DamagedError] and [*LockedError].
func (m *Memory) Record(signers []proto.PublicKey, component string, r receiver.Release) error {
	l, err := lockFile(m.dir, "lock", lockTimeout)
	if err != nil {
		return err
	}
	defer l.Close()
	if m.AllowDowngrade {
		signers = m.keys // none of them may say more
	}
	for _, key := range signers {
		if err := m.raise(receiver.Series{Key: key.ID, Component: component}, r); err != nil {
			return err
		}
	}
	return nil
}

// raise replaces what was installed of a series, unless that is newer.
func (m *Memory) raise(s receiver.Series, r receiver.Release) error {
	if !m.AllowDowngrade {
		_, last, known, err := m.read(m.fileName(s))
		if err != nil || known && last.Sequence >= r.Sequence {
			return err
		}
	}
	return m.write(s, r)
}

func (m *Memory) write(s receiver.Series, r receiver.Release) error {
	var room *durable.Spare
	if i := slices.IndexFunc(m.spares, func(s *durable.Spare) bool { return !s.Used() }); i >= 0 {
		room = m.spares[i]
	}
	name := m.fileName(s)
	if err := room.Replace(m.dir, name, []byte(m.text(s, r)), 0o600); err != nil {
		return &Error{Path: m.path(name), Err: fmt.Errorf("the file is installed, but that cannot be remembered: %w", durable.Cause(err))}
	}
	return nil
}
