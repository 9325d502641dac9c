// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"io"
	"os"

	"iotupd/internal/durable"
	"iotupd/proto/archive"
)

// compareBlocks looks for blocks of files that have changed, each in the old file of the same
// path.
func (s *search) compareBlocks() {
	block := make([]byte, archive.BlockLen)
	for i, e := range s.inventory.All() {
		if s.ctx.Err() != nil {
			return
		}
		if len(e.Blocks) == 0 || s.seed.isWhole(i) {
			continue
		}
		for root := range s.seed.roots {
			if s.compareFile(i, e, uint32(root), block) {
				break
			}
		}
	}
}

// compareFile looks for blocks of an entry in a directory, and reports whether there are any.
func (s *search) compareFile(i int, e *archive.Entry, root uint32, block []byte) bool {
	f, err := durable.OpenRegularIn(s.seed.roots[root], e.Path, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	s.mu.Lock()
	s.progress.AllFiles++
	s.progress.AllBytes += e.Stored()
	s.mu.Unlock()
	defer s.hashed(1, 0)
	stored, reused := e.Stored(), uint64(0)
	have := make([]uint64, (archive.BlockCount(stored)+63)/64)
	for n, rest := uint64(0), e.Blocks; len(rest) > 0 && s.ctx.Err() == nil; n, rest = n+1, rest[archive.BlockDigestLen:] {
		at := n * archive.BlockLen
		b := block[:min(archive.BlockLen, stored-at)]
		got, err := s.seed.readFrom(f, i, b, int64(at))
		if got < len(b) && err == io.EOF && e.Type == archive.File {
			break // the old one is shorter
		}
		if got == len(b) && archive.BlockDigest(b) == [archive.BlockDigestLen]byte(rest) {
			have[n/64] |= 1 << (n % 64)
			reused += uint64(len(b))
		}
		s.hashed(0, uint64(len(b)))
	}
	if reused == 0 {
		return false
	}
	now := stampOf(info)
	s.seed.setPart(i, root, e.Path, now.print(), have)
	s.mu.Lock()
	s.progress.Reused += reused
	s.mu.Unlock()
	return true
}
