// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A Collection is a directory that many files are received into at the same time, each
// by a target of its own. However many there are, few files are open: partial files are
// opened when they are read or written. One process has one directory, so that partial
// files need no locks of their own. Its methods may be called by several goroutines.
type Collection struct {
	path string
	open int

	mu   sync.Mutex
	dir  *folder  // nil: not prepared
	lock *os.File // held while dir is open
}

// NewCollection returns a collection in the directory at path, which has at most so many
// partial files open at a time. Nothing happens before Prepare.
func NewCollection(path string, open int) *Collection {
	return &Collection{path: path, open: max(open, 1)}
}

const (
	// collected follows the object in the name of a partial file, so that a target of
	// Dir that receives the same object has another one.
	collected = ".all"

	// lockName is the name of the file that keeps a second process out.
	lockName = ".iotupd-all.lock"
)

// Prepare opens the directory, checks that files can be put there, and keeps other
// processes from receiving all files into it: then the error wraps [ErrInUse]. Errors are
// of type [*Error]. Partial files that nobody has written to for a week are deleted. It
// may be called again.
func (c *Collection) Prepare() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir != nil {
		return nil
	}
	dir, err := openFolder(c.path)
	if err != nil {
		return err
	}
	lock, err := dir.lockWhole()
	if err != nil {
		dir.Close()
		return dirError(c.path, "", err)
	}
	dir.shared, dir.names = true, &names{taken: map[string]takenName{}}
	dir.parts = newPool(c.open)
	dir.sweep(time.Now(), lock)
	c.dir, c.lock = dir, lock
	return nil
}

// lockWhole makes the lock file of the directory, or takes the one that a killed process
// has left.
func (d *folder) lockWhole() (lock *os.File, err error) {
	for range 3 { // the owner of the lock may remove it meanwhile
		lock, err = d.reopen(lockName)
		if lock == nil && err == nil {
			lock, err = d.create(lockName)
		}
		if !errors.Is(err, ErrInUse) && !errors.Is(err, fs.ErrExist) {
			return lock, err
		}
	}
	return nil, errWholeInUse
}

// Target returns a target for one file more. Its Prepare calls the collection's, and takes
// no time if that was called before. Its Commit never replaces a file that another target
// has put into place, or that Has has found there: the error wraps a [*TakenError]. Close
// it before the collection.
func (c *Collection) Target() *FileTarget {
	return &FileTarget{isDir: true, tag: collected, enter: c.enter}
}

func (c *Collection) enter() (*folder, error) {
	if err := c.Prepare(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir == nil {
		return nil, &Error{Path: c.path, Err: fmt.Errorf("directory %s: %w", c.path, fs.ErrClosed)}
	}
	return c.dir, nil
}

// Close closes the directory, and lets others receive into it. Partial files stay. It may
// be called again; Prepare then opens the directory once more, for new targets.
func (c *Collection) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir == nil {
		return
	}
	c.dir.parts.close()
	if c.dir.means(lockName, c.lock) {
		c.dir.Remove(lockName) // while it is locked: see lock
	}
	c.lock.Close()
	c.dir.Close()
	c.dir, c.lock = nil, nil
}
