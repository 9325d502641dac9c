// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"iotupd/internal/durable"
	"iotupd/internal/quantity"
)

// A store is a receiver.Store in a file that belongs to its target.
type store struct {
	file     *os.File
	place    string // what its errors call the file
	hint     string // what to do if there is no space; may be empty
	size     int64  // of the object in bytes, as its first packet says
	found    int64  // of the file when it was opened
	giveBack func() // what the target does with a file that cannot be written on

	failed    atomic.Bool
	mu        sync.RWMutex // held during every access
	discarded bool

	// What became of Reserve, which comes before any of the jobs.
	refused bool // there is no room
	bare    bool // the object has no hashes, which alone tell what of it is there
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
	return n, s.failure(err)
}

// failure says where err happened, and not by the name that the file was opened
// by: it may have been renamed, and a temporary file has none any more.
func (s *store) failure(err error, details ...string) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		details = append(details, s.hint)
	}
	return fmt.Errorf("%s: %w%s", s.place, durable.Cause(err), strings.Join(details, ""))
}

func (s *store) Found() int64 { return s.found }

// Reserve gives back what a disk that is too small had granted.
func (s *store) Reserve(size int64) error {
	s.bare = size == s.size
	info, err := s.file.Stat()
	if err != nil {
		return s.failure(err)
	}
	err = durable.Allocate(s.file, size)
	if s.refused = err != nil; s.refused {
		s.file.Truncate(info.Size())
		return s.failure(err, ": it needs "+s.needs(size))
	}
	return nil
}

// needs compares the space that a file of size bytes needs with what there is.
func (s *store) needs(size int64) string {
	text := quantity.Size(size).String()
	if hashes := size - s.size; hashes > 0 {
		text += fmt.Sprintf(" (%v of file, %v of hashes)", quantity.Size(s.size), quantity.Size(hashes))
	}
	if room, known := durable.Room(s.file); known {
		text += fmt.Sprintf(", and there is room for %v", quantity.Size(room))
	}
	return text
}

// Sync also makes the reads that follow come from the disk, where it can.
func (s *store) Sync() error {
	err := s.file.Sync()
	durable.DropPages(s.file)
	return s.failure(err)
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
