// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// A takenName is the name of a file that a target has put into place.
type takenName struct {
	owner *FileTarget
	info  fs.FileInfo // nil: it is reserved only
}

// names are the names of files that the targets of a collection have put into place. There
// are no such names for a target alone, which may replace its own files.
type names struct {
	mu    sync.Mutex
	taken map[string]takenName
}

// A TakenError says that another object of the same [Collection] has the name of a file.
type TakenError struct {
	Name string
	By   string // the other file's name, which to the file system is the same
}

// Error implements error.
func (e *TakenError) Error() string {
	if e.By == e.Name {
		return "another object that is received here has the same name"
	}
	return fmt.Sprintf("to this file system it is the name of %s, which is another object that is received here", e.By)
}

// check reports whether another target than t has put the file called name into place. It
// is for the file system to say whether two names are the same.
func (n *names) check(t *FileTarget, name string) error {
	if other, ok := n.taken[name]; ok && other.owner != t {
		return &TakenError{Name: name, By: name}
	}
	info, err := t.dir.Lstat(name)
	if err != nil {
		return nil // there is no such file
	}
	for by, other := range n.taken {
		if other.owner == t || !os.SameFile(other.info, info) {
			continue
		}
		if still, err := t.dir.Lstat(by); err == nil && os.SameFile(still, info) {
			return &TakenError{Name: name, By: by}
		}
	}
	return nil
}

// free reports why t may not put a file called name into place. Errors are of type
// [*Error].
func (n *names) free(t *FileTarget, name string) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.check(t, name); err != nil {
		return newError(t.dir.path(name), err)
	}
	return nil
}

// reserve notes that t puts something called name into place, which takes long.
func (n *names) reserve(t *FileTarget, name string) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.check(t, name); err != nil {
		return err
	}
	if _, ok := n.taken[name]; !ok {
		n.taken[name] = takenName{owner: t}
	}
	return nil
}

// leave takes a reservation back, unless there is something by that name.
func (n *names) leave(t *FileTarget, name string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if by := n.taken[name]; by.owner == t && by.info == nil {
		delete(n.taken, name)
	}
}

// take calls put, which puts the file called name into place, and notes that t has that
// name.
func (n *names) take(t *FileTarget, name string, put func() error) error {
	if n == nil {
		return put()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.check(t, name)
	if err == nil {
		err = put()
	}
	if err != nil {
		return err
	}
	if info, err := t.dir.Lstat(name); err == nil {
		n.taken[name] = takenName{t, info}
	}
	return nil
}
