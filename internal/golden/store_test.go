// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
)

// A memStore is a receiver.Store in memory that records every operation.
type memStore struct {
	mu        sync.Mutex
	ops       *opLog
	size      int // of the file, in bytes
	found     int64
	bytes     []byte
	discarded bool
	fail      func(op string, end int64) error // nil: nothing fails
}

// newMemStore returns an empty store for a file of size bytes.
func newMemStore(ops *opLog, size int) *memStore { return &memStore{ops: ops, size: size} }

// again returns what a later run finds of m: the bytes that were written.
func (m *memStore) again() *memStore {
	return &memStore{ops: m.ops, size: m.size, bytes: slices.Clone(m.bytes), found: int64(len(m.bytes))}
}

var errDiscarded = errors.New("discarded")

// enter records an operation on n bytes at an offset. The caller unlocks m.mu.
func (m *memStore) enter(op string, offset int64, n int, content []byte) error {
	m.mu.Lock()
	m.ops.add(op, offset, n, content)
	switch {
	case m.discarded:
		return errDiscarded
	case m.fail != nil:
		return m.fail(op, offset+int64(n))
	}
	return nil
}

// Found implements [receiver.Store].
func (m *memStore) Found() int64 { return m.found }

// ReadAt implements [receiver.Store].
func (m *memStore) ReadAt(b []byte, offset int64) (int, error) {
	err := m.enter("read", offset, len(b), nil)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n := copy(b, m.bytes[min(offset, int64(len(m.bytes))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [receiver.Store].
func (m *memStore) WriteAt(b []byte, offset int64) (int, error) {
	err := m.enter("write", offset, len(b), b)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if more := int(offset) + len(b) - len(m.bytes); more > 0 {
		m.bytes = append(m.bytes, make([]byte, more)...)
	}
	return copy(m.bytes[offset:], b), nil
}

// Reserve implements [receiver.Store].
func (m *memStore) Reserve(size int64) error {
	err := m.enter("reserve", 0, int(size), nil)
	m.mu.Unlock()
	return err
}

// Sync implements [receiver.Store].
func (m *memStore) Sync() error {
	err := m.enter("sync", 0, 0, nil)
	m.mu.Unlock()
	return err
}

// Discard implements [receiver.Store].
func (m *memStore) Discard() error {
	err := m.enter("discard", 0, 0, nil)
	m.discarded = true
	m.mu.Unlock()
	return err
}

// An opLog is a hash over the sequence of operations on stores, with the start
// and the end of every job in between.
type opLog struct {
	sum  hash.Hash
	n    int
	jobs int

	// Workers of one job may work at the same time: then the operations of a
	// job are sorted.
	sorted bool
	inJob  []string
}

func newOpLog() *opLog { return &opLog{sum: sha256.New()} }

func (l *opLog) add(op string, offset int64, n int, content []byte) {
	l.n++
	line := fmt.Sprintf("%s %d %d %x\n", op, offset, n, sha256.Sum256(content))
	if l.inJob != nil && l.sorted {
		l.inJob = append(l.inJob, line)
		return
	}
	io.WriteString(l.sum, line)
}

// run runs a job.
func (l *opLog) run(job func()) {
	l.jobs++
	io.WriteString(l.sum, "job\n")
	l.inJob = []string{}
	job()
	slices.Sort(l.inJob)
	for _, line := range l.inJob {
		io.WriteString(l.sum, line)
	}
	l.inJob = nil
	io.WriteString(l.sum, "job done\n")
}

// finished notes that the receiver took a job back.
func (l *opLog) finished(number int) { fmt.Fprintf(l.sum, "finished %d\n", number) }
