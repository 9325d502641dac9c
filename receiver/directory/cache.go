// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"

	"iotupd/internal/durable"
)

// A cache is a file of hashes of old files, so that a run which was ended does not have to
// be repeated. It grows at its end; what is torn there is left out.
//
//	key (16) | SHA-256 (32) | CRC-32 of both (4), each
type cache struct {
	dir  *os.Root
	name string
	f    *os.File // nil: there is none

	mu     sync.Mutex
	failed bool // it cannot be made
	found  map[cacheKey][32]byte
}

// A cacheKey stands for a file in a certain state.
type cacheKey [16]byte

const (
	cachedLen = 16 + 32 + 4

	// maxCache is how many bytes of a cache are read.
	maxCache = 128 << 20
)

// keyOf returns the key of a file. The path counts where files have no numbers.
func keyOf(info fs.FileInfo, s *stamp, path string) (key cacheKey) {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 256), deviceOf(info))
	b = s.appendTo(b)
	if s.inode == 0 {
		b = append(b, path...)
	}
	sum := sha256.Sum256(b)
	return cacheKey(sum[:len(key)])
}

// print returns a number that stands for a stamp.
func (s *stamp) print() uint64 {
	sum := sha256.Sum256(s.appendTo(make([]byte, 0, stampLen)))
	return binary.BigEndian.Uint64(sum[:])
}

// openCache opens the file called name, which add makes if there is none. Without it, all
// old files are hashed.
func openCache(dir *os.Root, name string) *cache {
	c := &cache{dir: dir, name: name, found: make(map[cacheKey][32]byte)}
	if info, err := dir.Lstat(name); err == nil && !info.Mode().IsRegular() {
		dir.Remove(name)
	}
	c.open(0)
	return c
}

// open opens the file, perhaps a new one.
func (c *cache) open(create int) {
	f, err := c.dir.OpenFile(c.name, os.O_RDWR|create, recordMode)
	if err != nil {
		return
	}
	c.f = f
	end := c.read()
	if !durable.OwnedAlone(f) || f.Truncate(end) != nil {
		c.close()
		return
	}
	f.Seek(end, io.SeekStart)
}

// read reads the hashes, and returns where the last one ends that is whole.
func (c *cache) read() (end int64) {
	in := bufio.NewReaderSize(io.LimitReader(c.f, maxCache), 64<<10)
	var b [cachedLen]byte
	for {
		if _, err := io.ReadFull(in, b[:]); err != nil || crc32.ChecksumIEEE(b[:48]) != binary.BigEndian.Uint32(b[48:]) || bytes.Equal(b[:48], make([]byte, 48)) {
			return end
		}
		c.found[cacheKey(b[:16])] = [32]byte(b[16:48])
		end += cachedLen
	}
}

// find returns the hash of a file.
func (c *cache) find(key cacheKey) (sha [32]byte, ok bool) {
	sha, ok = c.found[key]
	return sha, ok
}

// add notes a hash for later runs.
func (c *cache) add(key cacheKey, sha [32]byte) {
	b := append(append(make([]byte, 0, cachedLen), key[:]...), sha[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.f == nil && !c.failed {
		c.open(os.O_CREATE)
		c.failed = c.f == nil
	}
	if c.f != nil {
		c.f.Write(b)
	}
}

func (c *cache) close() {
	if c.f != nil {
		c.f.Close()
		c.f = nil
	}
	clear(c.found)
}
