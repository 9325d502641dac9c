// SPDX-License-Identifier: GPL-2.0-or-later

package main

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
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// A state remembers in a directory what was installed last of a channel, by each
// key that signed it, so that nobody can pass off an older release (spec.md
// 5.5). Every key has a file of its own, so that a key that is not trusted any
// more has no say. It is replaced as a whole, and the highest sequence stays,
// whichever process is the last to write.
type state struct {
	dir       *os.Root
	channel   string
	keys      []proto.PublicKey // that are trusted
	downgrade bool              // what was installed counts, be it older
}

// defaultStateDir is where states are kept unless --state says otherwise; empty
// if this user has no place for them.
func defaultStateDir() string {
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

// openState opens the states in a directory, and makes it if need be. That
// something can be written there is tried at once: after the transfer it would
// be too late.
func openState(dir, channel string, keys []proto.PublicKey) (*state, error) {
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = durable.TryDir(dir)
	}
	var root *os.Root
	if err == nil {
		root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return nil, cli.WithCode(cli.ExitLocalIO, fmt.Errorf("--state %s: what is installed cannot be remembered there: %w", dir, durable.Cause(err)))
	}
	return &state{dir: root, channel: channel, keys: keys}, nil
}

func (s *state) close() { s.dir.Close() }

// installed returns what was installed last, by the key that signed it.
func (s *state) installed() (map[proto.KeyID]receiver.Release, error) {
	all := make(map[proto.KeyID]receiver.Release)
	for _, key := range s.keys {
		r, known, err := s.read(key.ID)
		if err != nil {
			return nil, err
		}
		if known {
			all[key.ID] = r
		}
	}
	return all, nil
}

// fileName is that of a key's state. A channel may be any text.
func (s *state) fileName(key proto.KeyID) string {
	sum := sha256.Sum256([]byte(s.channel))
	return hex.EncodeToString(sum[:8]) + "-" + key.String() + ".installed"
}

func (s *state) path(key proto.KeyID) string { return filepath.Join(s.dir.Name(), s.fileName(key)) }

// text is the whole content of a state file. The checksum tells damage; who can
// write the file can do anything anyway.
func (s *state) text(key proto.KeyID, r receiver.Release) string {
	text := fmt.Sprintf("iotupd installed v1\nchannel %q\nkey %v\nsequence %d\nobject %v\n", s.channel, key, r.Sequence, r.Object)
	return text + fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
}

// maxStateLen is more than any text has.
const maxStateLen = 4096

func (s *state) read(key proto.KeyID) (r receiver.Release, known bool, err error) {
	f, err := s.dir.Open(s.fileName(key))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, cli.LocalError(s.path(key), err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStateLen))
	if err != nil {
		return r, false, cli.LocalError(s.path(key), err)
	}
	if r, err = s.parse(key, string(b)); err != nil {
		return r, false, cli.WithCode(cli.ExitPolicy, fmt.Errorf("%s is damaged, so that an older release could not be told from a newer one: "+
			"find out which one is installed, remove the file, and give --min-sequence once", s.path(key)))
	}
	return r, true, nil
}

var errState = errors.New("not a state file")

// parse reads what text wrote, for the same channel and key, and nothing else.
func (s *state) parse(key proto.KeyID, text string) (r receiver.Release, err error) {
	var channel, id, object string
	_, err = fmt.Sscanf(text, "iotupd installed v1\nchannel %q\nkey %s\nsequence %d\nobject %s\n", &channel, &id, &r.Sequence, &object)
	if err != nil {
		return r, errState
	}
	if r.Object, err = proto.ParseObjectID(object); err != nil || s.text(key, r) != text {
		return r, errState
	}
	return r, nil
}

// record remembers for each of signers that r is installed now. Whoever trusts
// one of them alone some day must not take what is older either.
func (s *state) record(signers []proto.PublicKey, r receiver.Release) error {
	unlock := s.lock()
	defer unlock()
	if s.downgrade {
		signers = s.keys // none of them may say more
	}
	for _, key := range signers {
		if err := s.raise(key.ID, r); err != nil {
			return err
		}
	}
	return nil
}

// raise replaces what was installed by key, unless that is newer.
func (s *state) raise(key proto.KeyID, r receiver.Release) error {
	if !s.downgrade {
		last, known, err := s.read(key)
		if err != nil || known && last.Sequence >= r.Sequence {
			return err
		}
	}
	return s.write(key, r)
}

func (s *state) write(key proto.KeyID, r receiver.Release) error {
	if err := s.replace(s.fileName(key), s.text(key, r)); err != nil {
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("%s: the file is installed, but that cannot be remembered: %w", s.path(key), durable.Cause(err)))
	}
	return nil
}

// lockPatience is how long another process may take to write a state.
const lockPatience = 5 * time.Second

// lock keeps other processes from writing, where there are locks.
func (s *state) lock() (unlock func()) {
	f, err := s.dir.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return func() {}
	}
	for start := time.Now(); time.Since(start) < lockPatience; time.Sleep(time.Millisecond) {
		if free, err := durable.Lock(f); free || err != nil {
			break
		}
	}
	return func() { f.Close() }
}

// replace makes a file hold text, or leaves the old one, whatever happens.
func (s *state) replace(name, text string) error {
	f, err := os.CreateTemp(s.dir.Name(), ".iotupd-*.tmp")
	if err != nil {
		return err
	}
	temp := filepath.Base(f.Name())
	defer s.dir.Remove(temp) // unless it was renamed
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil { // before, since Windows renames no open file
		err = e
	}
	if err == nil {
		err = s.dir.Rename(temp, name)
	}
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	return err
}
