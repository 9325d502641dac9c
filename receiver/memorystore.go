// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"
	"sync"
)

// A MemoryStore is a [Store] in memory. Its zero value is ready for use.
type MemoryStore struct {
	mu    sync.Mutex
	bytes []byte
}

// Found implements [Store].
func (s *MemoryStore) Found() int64 { return 0 }

// Reserve implements [Store].
func (s *MemoryStore) Reserve(size int64) error {
	s.bytes = make([]byte, size)
	return nil
}

// ReadAt implements [Store].
func (s *MemoryStore) ReadAt(b []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(b, s.bytes[min(offset, int64(len(s.bytes))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [Store].
func (s *MemoryStore) WriteAt(b []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if end := offset + int64(len(b)); end > int64(len(s.bytes)) {
		s.bytes = append(s.bytes, make([]byte, end-int64(len(s.bytes)))...)
	}
	return copy(s.bytes[offset:], b), nil
}

// Sync implements [Store].
func (s *MemoryStore) Sync() error { return nil }

// Discard implements [Store].
func (s *MemoryStore) Discard() error { return nil }
