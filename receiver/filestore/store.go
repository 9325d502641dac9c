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

	"iotupd/internal/durable"
	"iotupd/internal/quantity"
)

// A store is a receiver.Store in a file that belongs to its target.
type store struct {
	part     *part
	place    string   // name of the file in errors
	hint     string   // what to do if there is no space; may be empty
	dir      *os.Root // for ballast; nil: none
	size     int64    // of the object in bytes, as its first packet says
	found    int64    // of the file when it was opened
	giveBack func()   // called when the file cannot be written any further

	began     atomic.Int64 // bytes of the file that the system has begun to write
	reserved  atomic.Int64 // bytes of disk space that the file has
	failed    atomic.Bool
	mu        sync.RWMutex // held during every access
	discarded bool
	ballast   *os.File      // nil: none
	compacted atomic.Uint32 // how many times

	// Results of Reserve, which is called before any job runs.
	refused bool // there is no room
	bare    bool // the object has no hashes, without which a later run cannot use the bytes
}

// errDiscarded is the error of every access of a job whose object was given up.
var errDiscarded = errors.New("the object was given up")

func (s *store) ReadAt(b []byte, offset int64) (int, error) {
	n, err := s.access(func(f *os.File) (int, error) {
		n, err := f.ReadAt(b, offset)
		if err == io.EOF && offset+int64(len(b)) <= s.reserved.Load() {
			err = ErrTruncated
		}
		return n, err
	})
	return n, s.noteFailure(err)
}

func (s *store) WriteAt(b []byte, offset int64) (int, error) {
	write := func(f *os.File) (int, error) {
		n, err := f.WriteAt(b, offset)
		s.startWriting(f, offset+int64(n))
		return n, err
	}
	compacted := s.compacted.Load()
	n, err := s.access(write)
	if durable.IsFull(err) {
		s.compact(compacted)
		n, err = s.access(write)
	}
	return n, s.noteFailure(err)
}

// compact is called when the disk is full although the space was reserved: blocks
// that were written again may have taken it. times is the value of compacted
// before the failed write: if it has changed, another call has compacted the file
// already. Other file systems than btrfs are not concerned.
func (s *store) compact(times uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discarded || s.compacted.Load() != times {
		return
	}
	s.part.use(func(f *os.File) error {
		if !durable.CopiesOnWrite(f) {
			return nil
		}
		s.compacted.Add(1)
		s.dropBallast()
		durable.Compact(f, s.reserved.Load())
		s.takeBallast(f)
		return nil
	})
}

func (s *store) takeBallast(f *os.File) {
	if s.dir != nil && s.ballast == nil {
		s.ballast = durable.Ballast(s.dir, f, s.size)
	}
}

func (s *store) dropBallast() {
	if s.ballast != nil {
		s.ballast.Close()
		s.ballast = nil
	}
}

const (
	// largeFile is the size in bytes from which on the system is asked to begin
	// to write early. Otherwise the end of a transfer waits for the medium.
	largeFile = 256 << 20

	// writingStep is how many bytes it is asked to write at a time.
	writingStep = 16 << 20
)

// startWriting makes the system begin to write the next writingStep bytes once
// end, the end of the bytes that have arrived in order, is well behind them. Lost
// shards among them arrive later, and are written again.
func (s *store) startWriting(f *os.File, end int64) {
	began := s.began.Load()
	if s.size < largeFile || end < began+2*writingStep || end > s.size || !s.began.CompareAndSwap(began, began+writingStep) {
		return
	}
	durable.StartWriting(f, began, writingStep)
}

func (s *store) access(do func(*os.File) (int, error)) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.discarded {
		return 0, errDiscarded
	}
	f, err := s.part.acquire()
	if err != nil {
		return 0, err
	}
	defer s.part.release()
	return do(f)
}

// noteFailure records that an access failed, and describes its error.
func (s *store) noteFailure(err error) error {
	if err == nil || err == io.EOF || err == errDiscarded {
		return err
	}
	s.failed.Store(true)
	return s.failure(err, s.free(err))
}

// failure says where err happened. It does not use the name by which the file was
// opened: the file may have been renamed, and a temporary file no longer has a
// name.
func (s *store) failure(err error, details ...string) error {
	if err == nil {
		return nil
	}
	if durable.IsFull(err) {
		details = append(details, s.hint)
	}
	return fmt.Errorf("%s: %w%s", s.place, durable.Cause(err), strings.Join(details, ""))
}

// free says how much space there is, if a lack of space made an access after
// Reserve fail.
func (s *store) free(err error) (text string) {
	if !durable.IsFull(err) {
		return ""
	}
	s.part.use(func(f *os.File) error {
		free, known := durable.Free(f)
		if !known {
			return nil
		}
		text = fmt.Sprintf(": the file takes %v, and %v are free", quantity.Size(s.reserved.Load()), quantity.Size(free))
		if durable.CopiesOnWrite(f) {
			text += "; on this file system, what is written again takes more for a while"
		}
		return nil
	})
	return text
}

func (s *store) Found() int64 { return s.found }

// Reserve frees the reserved space again if the disk is too small for all of it.
func (s *store) Reserve(size int64) error {
	s.bare = size == s.size
	f, err := s.part.acquire()
	if err != nil {
		return s.failure(err)
	}
	defer s.part.release()
	info, err := f.Stat()
	if err != nil {
		return s.failure(err)
	}
	err = durable.Allocate(f, size)
	if s.refused = err != nil; s.refused {
		f.Truncate(info.Size())
		return s.failure(err, ": it needs "+s.needs(f, size))
	}
	s.reserved.Store(size)
	s.takeBallast(f)
	return nil
}

// needs compares the space that f needs for size bytes with what there is.
func (s *store) needs(f *os.File, size int64) string {
	text := quantity.Size(size).String()
	if hashes := size - s.size; hashes > 0 {
		text += fmt.Sprintf(" (%v of file, %v of hashes)", quantity.Size(s.size), quantity.Size(hashes))
	}
	if room, known := durable.Room(f); known {
		text += fmt.Sprintf(", and there is room for %v", quantity.Size(room))
	}
	return text
}

func (s *store) Sync() error {
	err := s.part.use((*os.File).Sync)
	return s.failure(err, s.free(err))
}

// Discard leaves the bytes in the file for the object that takes it over, unless
// there was an error: then they may fill the disk. It waits for accesses that
// have begun, so that none of them overwrites bytes of the new object.
func (s *store) Discard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discarded = true
	s.dropBallast()
	if s.failed.Load() {
		s.giveBack()
	}
	return nil
}
