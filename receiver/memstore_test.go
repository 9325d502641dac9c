// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"errors"
	"fmt"
	"io"
	"iotupd/proto"
	"sync"
)

// A MemStore is a Store in memory, for tests inside and outside the package. It
// has room for the file and the workspace behind it.
type MemStore struct {
	mu        sync.Mutex
	size      int // of the file
	found     int64
	bytes     []byte
	calls     map[string]int
	Fail      map[string]error // by operation, the names of its methods
	Discarded bool
}

// NewMemStore returns a store for a file of size bytes. All of it is 0xa5, so
// that nothing is right by chance.
func NewMemStore(size int) *MemStore {
	m := &MemStore{size: size, bytes: make([]byte, size, roomFor(size)), calls: map[string]int{}, Fail: map[string]error{}}
	for i := range m.bytes {
		m.bytes[i] = 0xa5
	}
	return m
}

// roomFor bounds what a receiver may use for a file of size bytes with the
// smallest shards, which have the largest share of records.
func roomFor(size int) int { return 4*size + 64<<10 }

// Again returns a store with the bytes of m, as a later run finds them.
func (m *MemStore) Again() *MemStore { return m.AgainFor(m.size) }

// AgainFor is Again for a file of another size.
func (m *MemStore) AgainFor(size int) *MemStore {
	b := m.All()
	again := NewMemStore(size)
	again.bytes = append(again.bytes[:0], b[:min(len(b), cap(again.bytes))]...)
	again.found = int64(len(again.bytes))
	return again
}

// Damage changes the bytes as do says, of file and workspace, or their number.
func (m *MemStore) Damage(do func(b []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes = do(m.bytes)
	m.found = int64(len(m.bytes))
}

// All returns a copy of the file and the workspace.
func (m *MemStore) All() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]byte(nil), m.bytes...)
}

// Found implements [Store].
func (m *MemStore) Found() int64 { return m.found }

// ErrOutside is what access past the end of the file gives.
var ErrOutside = errors.New("outside the file")

// enter counts a call of an operation, and says whether it fails. The caller
// has to unlock m.mu.
func (m *MemStore) enter(op string, off int64, n int) error {
	m.mu.Lock()
	m.calls[op]++
	if m.Discarded {
		return fmt.Errorf("%s: discarded", op)
	}
	if off < 0 || off+int64(n) > int64(cap(m.bytes)) {
		return fmt.Errorf("%s %d bytes at %d: %w of %d", op, n, off, ErrOutside, cap(m.bytes))
	}
	return m.Fail[op]
}

// Calls returns how often an operation was called.
func (m *MemStore) Calls(op string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[op]
}

// Bytes returns a copy of the file.
func (m *MemStore) Bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]byte(nil), m.bytes[:min(m.size, len(m.bytes))]...)
}

// ReadAt implements [Store]. Unlike other reads of the receiver, reads for the
// final hash may end at the end of the file.
func (m *MemStore) ReadAt(b []byte, off int64) (int, error) {
	err := m.enter("ReadAt", off, 0)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n := copy(b, m.bytes[min(off, int64(len(m.bytes))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [Store].
func (m *MemStore) WriteAt(b []byte, off int64) (int, error) {
	err := m.enter("WriteAt", off, len(b))
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if old, end := len(m.bytes), int(off)+len(b); end > old {
		m.bytes = m.bytes[:end]
		clear(m.bytes[old:]) // zeros up to off, like a file
	}
	return copy(m.bytes[off:], b), nil
}

// Reserve implements [Store].
func (m *MemStore) Reserve(size int64) error {
	err := m.enter("Reserve", 0, int(size))
	m.mu.Unlock()
	return err
}

// Sync implements [Store].
func (m *MemStore) Sync() error {
	err := m.enter("Sync", 0, 0)
	m.mu.Unlock()
	return err
}

// Discard implements [Store].
func (m *MemStore) Discard() error {
	err := m.enter("Discard", 0, 0)
	m.Discarded = true
	m.mu.Unlock()
	return err
}

// Writes reports whether a job writes to the store what was received, or makes it
// durable.
func (j *Job) Writes() bool { return j.kind == writeStore || j.kind == syncStore }

// Opens reports whether a job opens the store.
func (j *Job) Opens() bool { return j.kind == openStore }

// Opening reports whether the job that opens the store is the next one.
func (r *Receiver) Opening() bool {
	return r.object != nil && r.object.opening && r.object.work.running == 0
}

// newOpenObject returns an object with an open store.
func newOpenObject(s *shared, geo proto.Geometry, store Store, m *proto.Manifest) *object {
	b, _ := s.cfg.budget(geo)
	o := newObject(s, identity{}, geo, m, b)
	o.places.queue.store, o.opening = store, false
	return o
}
