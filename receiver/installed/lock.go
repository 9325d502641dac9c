// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"os"
	"path/filepath"
	"time"

	"iotupd/internal/durable"
)

// A Lock keeps other processes from installing at the same time. The command that
// installs inherits [Lock.File], so that the lock stays when this process is killed, for
// as long as the command runs.
type Lock struct{ file *os.File }

// Lock takes the lock of the installations of the component that a record is about. Errors are of type [*LockedError].
func (j *Journal) Lock(r *Record) (*Lock, error) {
	which := "signed"
	if len(j.keys) == 0 {
		which = family(Unsigned, r.Path)
	}
	if r.early { // a command that an earlier version has started has the lock of the channel
		l, err := lockFile(j.dir, channelPrefix(j.channel)+which+lockSuffix, lockTimeout)
		if err != nil {
			return nil, err
		}
		l.Close()
	}
	return lockFile(j.dir, channelPrefix(j.channel)+which+componentPart(r.Component)+lockSuffix, lockTimeout)
}

// File is what the command inherits.
func (l *Lock) File() *os.File { return l.file }

// Close gives the lock back, whoever has inherited it.
func (l *Lock) Close() {
	durable.Unlock(l.file)
	l.file.Close()
}

// lockFile takes the lock called name in dir. It waits for another process that has it.
// Errors are of type [*LockedError].
func lockFile(dir *os.Root, name string, timeout time.Duration) (*Lock, error) {
	path := filepath.Join(dir.Name(), name)
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) // which does not wait, be it a pipe
	if err != nil {
		return nil, &LockedError{Path: path, Err: durable.Cause(err)}
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		free, err := durable.Lock(f)
		switch {
		case free && err == nil:
			return &Lock{f}, nil
		case err != nil:
			f.Close()
			return nil, &LockedError{Path: path, Err: durable.Cause(err)}
		case time.Since(start) > timeout:
			f.Close()
			return nil, &LockedError{Path: path}
		}
	}
}
