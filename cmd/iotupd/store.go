// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// A store is a receiver.Store in a file that belongs to its target.
type store struct {
	file     *os.File
	found    int64  // its size when it was opened
	giveBack func() // what the target does with a file that cannot be written on

	failed    atomic.Bool
	mu        sync.RWMutex // held during every access
	discarded bool
}

// errDiscarded is what is left to a job of an object that was given up.
var errDiscarded = errors.New("the object was given up")

func (s *store) ReadAt(b []byte, offset int64) (int, error) {
	return s.access(func() (int, error) { return s.file.ReadAt(b, offset) })
}

func (s *store) WriteAt(b []byte, offset int64) (int, error) {
	return s.access(func() (int, error) { return s.file.WriteAt(b, offset) })
}

func (s *store) access(do func() (int, error)) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.discarded {
		return 0, errDiscarded
	}
	n, err := do()
	if err != nil && err != io.EOF {
		s.failed.Store(true)
	}
	return n, err
}

func (s *store) Found() int64 { return s.found }

// Reserve gives back what a disk that is too small had granted.
func (s *store) Reserve(size int64) error {
	info, err := s.file.Stat()
	if err != nil {
		return cause(err)
	}
	if err := allocate(s.file, size); err != nil {
		s.file.Truncate(info.Size())
		return cause(err)
	}
	return nil
}

// Sync also makes the reads that follow come from the disk, where it can.
func (s *store) Sync() error {
	err := s.file.Sync()
	dropPages(s.file)
	return err
}

// Discard leaves the bytes in the file for the object that takes it over, unless
// there was an error: then they may fill the disk. It waits for accesses that have
// begun, so that none spoils that one.
func (s *store) Discard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discarded = true
	if s.failed.Load() {
		s.giveBack()
	}
	return nil
}
