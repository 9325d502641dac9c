// SPDX-License-Identifier: GPL-2.0-or-later

// Package installed remembers what a receiver has installed, so that nobody can
// pass off an older release as a new one, and which file still has to be
// installed. Both survive power cuts.
package installed

import (
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

// A Memory remembers in a directory what was installed last of a channel, by each
// key that signed it, so that nobody can pass off an older release (spec.md
// 5.5). Every key has a file of its own, so that a key that is not trusted any
// more has no say. It is replaced as a whole, and the highest sequence stays,
// whichever process is the last to write. One goroutine uses a Memory; any
// number of processes and of Memories may share a directory.
type Memory struct {
	dir     *os.Root
	channel string
	keys    []proto.PublicKey // that are trusted
	spares  []*durable.Spare  // for their files

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

// Open opens the states in a directory, and makes it if need be. That
// something can be written there is tried at once, and room is kept: after the transfer
// it would be too late. Errors are of type [*DirError].
func Open(dir, channel string, keys []proto.PublicKey) (*Memory, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	m := &Memory{dir: root, channel: channel, keys: keys}
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
	for _, key := range m.keys {
		if err := durable.Replaceable(m.dir, m.fileName(key.ID)); err != nil {
			return &DirError{Path: m.path(key.ID), Err: err}
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

// Releases returns what was installed last, by the key that signed it. A file
// that cannot be understood is a [*DamagedError]: it must not count as none.
func (m *Memory) Releases() (map[proto.KeyID]receiver.Release, error) {
	all := make(map[proto.KeyID]receiver.Release)
	for _, key := range m.keys {
		r, known, err := m.read(key.ID)
		if err != nil {
			return nil, err
		}
		if known {
			all[key.ID] = r
		}
	}
	return all, nil
}

// fileName is the name of a key's state file. A channel may be any text.
func (m *Memory) fileName(key proto.KeyID) string {
	return channelPrefix(m.channel) + key.String() + ".installed"
}

func (m *Memory) path(key proto.KeyID) string { return filepath.Join(m.dir.Name(), m.fileName(key)) }

// text is the whole content of a state file. The checksum detects damage only:
// anybody who can write the file can do anything anyway.
func (m *Memory) text(key proto.KeyID, r receiver.Release) string {
	text := fmt.Sprintf("iotupd installed v1\nchannel %q\nkey %v\nsequence %d\nobject %v\n", m.channel, key, r.Sequence, r.Object)
	return text + fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
}

// maxStateLen is more than any text has.
const maxStateLen = 4096

func (m *Memory) read(key proto.KeyID) (r receiver.Release, known bool, err error) {
	f, err := durable.OpenRegularIn(m.dir, m.fileName(key), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, &Error{Path: m.path(key), Err: durable.Cause(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStateLen))
	if err != nil {
		return r, false, &Error{Path: m.path(key), Err: durable.Cause(err)}
	}
	if r, err = m.parse(key, string(b)); err != nil {
		return r, false, &DamagedError{Path: m.path(key)}
	}
	return r, true, nil
}

var errState = errors.New("not a state file")

// parse reads what text wrote, for the same channel and key, and nothing else: what
// is found in it must make the same text.
func (m *Memory) parse(key proto.KeyID, text string) (r receiver.Release, err error) {
	_, rest, _ := strings.Cut(text, "\nsequence ")
	sequence, rest, _ := strings.Cut(rest, "\nobject ")
	object, _, _ := strings.Cut(rest, "\n")
	if r.Sequence, err = strconv.ParseUint(sequence, 10, 64); err != nil {
		return r, errState
	}
	if r.Object, err = proto.ParseObjectID(object); err != nil || m.text(key, r) != text {
		return r, errState
	}
	return r, nil
}

// Record remembers for each of signers that r is installed now. Whoever trusts
// one of them alone some day must not take what is older either. Errors are of type
// [*Error], [*DamagedError] and [*LockedError].
func (m *Memory) Record(signers []proto.PublicKey, r receiver.Release) error {
	l, err := lockFile(m.dir, "lock", lockTimeout)
	if err != nil {
		return err
	}
	defer l.Close()
	if m.AllowDowngrade {
		signers = m.keys // none of them may say more
	}
	for _, key := range signers {
		if err := m.raise(key.ID, r); err != nil {
			return err
		}
	}
	return nil
}

// raise replaces what was installed by key, unless that is newer.
func (m *Memory) raise(key proto.KeyID, r receiver.Release) error {
	if !m.AllowDowngrade {
		last, known, err := m.read(key)
		if err != nil || known && last.Sequence >= r.Sequence {
			return err
		}
	}
	return m.write(key, r)
}

func (m *Memory) write(key proto.KeyID, r receiver.Release) error {
	var room *durable.Spare
	if i := slices.IndexFunc(m.spares, func(s *durable.Spare) bool { return !s.Used() }); i >= 0 {
		room = m.spares[i]
	}
	if err := room.Replace(m.dir, m.fileName(key), []byte(m.text(key, r)), 0o600); err != nil {
		return &Error{Path: m.path(key), Err: fmt.Errorf("the file is installed, but that cannot be remembered: %w", durable.Cause(err))}
	}
	return nil
}
