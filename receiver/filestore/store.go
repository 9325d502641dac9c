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

	began     atomic.Int64 // bytes of the file that the system was told to write
	reserved  atomic.Int64 // bytes that the file has, unless somebody takes them
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
	return s.access(func() (int, error) {
		n, err := s.file.ReadAt(b, offset)
		if err == io.EOF && offset+int64(len(b)) <= s.reserved.Load() {
			err = ErrTruncated
		}
		return n, err
	})
}

func (s *store) WriteAt(b []byte, offset int64) (int, error) {
	return s.access(func() (int, error) {
		n, err := s.file.WriteAt(b, offset)
		s.startWriting(offset + int64(n))
		return n, err
	})
}

const (
	// largeFile is the size in bytes from which on the system is told to begin to
	// write early: else the end of a transfer waits for the medium.
	largeFile = 256 << 20

	// writingStep is how many bytes it is told to write at a time.
	writingStep = 16 << 20
)

// startWriting has the system write what is well behind the end of the bytes that
// arrive in their order. Those that are lost come later, and are written again.
func (s *store) startWriting(end int64) {
	began := s.began.Load()
	if s.size < largeFile || end < began+2*writingStep || end > s.size || !s.began.CompareAndSwap(began, began+writingStep) {
		return
	}
	durable.StartWriting(s.file, began, writingStep)
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
	s.reserved.Store(size)
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

func (s *store) Sync() error { return s.failure(s.file.Sync()) }

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
