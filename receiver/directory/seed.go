// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"io"
	"os"
	"slices"
	"sync"

	"iotupd/proto/archive"
)

// A seed reads content of an archive from old files.
type seed struct {
	inventory *archive.Inventory

	mu      sync.Mutex
	roots   []*os.Root
	sources []uint32     // by entry: 1 and the number of the file that has its content; nil: none has
	parts   map[int]part // by entry without a file that has its content: what another file has of it
	files   []oldFile    // those that have content
	paths   []byte       // of files
	open    []openFile
	closed  bool
}

// An oldFile has content of the archive.
type oldFile struct {
	print   uint64 // of its stamp
	root    uint32
	path    uint32 // position in paths
	pathLen uint32
}

// maxOpen is how many old files are open at a time.
const maxOpen = 8

// An openFile is an old file that was read a short time ago.
type openFile struct {
	number uint32
	f      *os.File
}

func newSeed(inv *archive.Inventory) *seed { return &seed{inventory: inv} }

// add gives the seed a directory, which it closes, and returns its number.
func (s *seed) add(root *os.Root) uint32 {
	s.roots = append(s.roots, root)
	return uint32(len(s.roots) - 1)
}

// has reports whether the seed has a directory already.
func (s *seed) has(root *os.Root) bool {
	info, err := root.Stat(".")
	return err == nil && slices.ContainsFunc(s.roots, func(other *os.Root) bool {
		same, err := other.Stat(".")
		return err == nil && os.SameFile(info, same)
	})
}

// set notes that a file has the content of an entry, and reports whether no other file was
// known to have it.
func (s *seed) set(entry int, c *candidate, path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources == nil {
		s.sources = make([]uint32, s.inventory.Len())
	}
	if s.sources[entry] != 0 {
		return false
	}
	if n := len(s.files); n == 0 || s.files[n-1].print != c.print || s.pathOf(&s.files[n-1]) != path {
		s.files = append(s.files, oldFile{c.print, c.root, uint32(len(s.paths)), uint32(len(path))})
		s.paths = append(s.paths, path...)
	}
	s.sources[entry] = uint32(len(s.files))
	return true
}

// A part is what an old file has of an entry.
type part struct {
	file   uint32   // its number
	blocks []uint64 // a bit for each block that it has
}

func (p *part) has(block int64) bool { return p.blocks[block/64]&(1<<(block%64)) != 0 }

// setPart notes that an old file has some blocks of an entry.
func (s *seed) setPart(entry int, root uint32, path string, print uint64, blocks []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = make(map[int]part)
	}
	s.parts[entry] = part{uint32(len(s.files)), blocks}
	s.files = append(s.files, oldFile{print, root, uint32(len(s.paths)), uint32(len(path))})
	s.paths = append(s.paths, path...)
}

// isWhole reports whether an old file has all content of an entry.
func (s *seed) isWhole(entry int) bool { return s.sources != nil && s.sources[entry] != 0 }

func (s *seed) openOld(f *oldFile) (*os.File, error) {
	return openOld(s.roots[f.root], s.pathOf(f), f.print)
}

func (s *seed) pathOf(f *oldFile) string { return string(s.paths[f.path : f.path+f.pathLen]) }

// read reads content of an entry, as [archive.Reader] wants it.
func (s *seed) read(entry int, b []byte, offset int64) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrUnexpectedEOF
	}
	if s.sources == nil || s.sources[entry] == 0 {
		return s.readPart(entry, b, offset)
	}
	f, err := s.file(s.sources[entry] - 1)
	if err != nil {
		s.sources[entry] = 0
		return 0, err
	}
	return s.readFrom(f, entry, b, offset)
}

// readPart is read of an entry of which blocks are known.
func (s *seed) readPart(entry int, b []byte, offset int64) (n int, err error) {
	p, ok := s.parts[entry]
	for ok && n < len(b) {
		at := offset + int64(n)
		if !p.has(at / archive.BlockLen) {
			break
		}
		n += int(min(archive.BlockLen-at%archive.BlockLen, int64(len(b)-n)))
	}
	if n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	f, err := s.file(p.file)
	if err != nil {
		delete(s.parts, entry)
		return 0, err
	}
	got, err := s.readFrom(f, entry, b[:n], offset)
	if err == nil && got < len(b) {
		err = io.ErrUnexpectedEOF
	}
	return got, err
}

// readFrom reads content of an entry from an old file.
func (s *seed) readFrom(f *os.File, entry int, b []byte, offset int64) (n int, err error) {
	if s.inventory.Type(entry) == archive.File {
		return f.ReadAt(b, offset)
	}
	e := s.inventory.Entry(entry)
	skip := uint64(offset)
	for _, x := range e.Extents {
		if skip >= x.Length {
			skip -= x.Length
			continue
		}
		part := b[n:min(uint64(len(b)), uint64(n)+x.Length-skip)]
		got, err := f.ReadAt(part, int64(x.Offset+skip))
		if n += got; got < len(part) {
			return n, err
		}
		skip = 0
		if n == len(b) {
			break
		}
	}
	return n, nil
}

// file returns an old file. Those that were not read for the longest time are closed.
func (s *seed) file(number uint32) (*os.File, error) {
	for i, o := range s.open {
		if o.number == number {
			copy(s.open[1:], s.open[:i])
			s.open[0] = o
			return o.f, nil
		}
	}
	f, err := s.openOld(&s.files[number])
	if err != nil {
		return nil, err
	}
	if len(s.open) == maxOpen {
		s.open[maxOpen-1].f.Close()
		s.open = s.open[:maxOpen-1]
	}
	s.open = append([]openFile{{number, f}}, s.open...)
	return f, nil
}

// close closes all files. Then there is nothing to read any more. A nil seed is closed.
func (s *seed) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, o := range s.open {
		o.f.Close()
	}
	for _, root := range s.roots {
		root.Close()
	}
	s.open, s.roots, s.sources, s.parts, s.files, s.paths = nil, nil, nil, nil, nil, nil
}
