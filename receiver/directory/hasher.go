// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"crypto/sha256"
	"hash"
	"io"
	"iter"
	"os"

	"iotupd/internal/durable"
	"iotupd/proto/archive"
)

// A hasher hashes old files, one after the other.
type hasher struct {
	*search
	sum    hash.Hash
	buffer []byte
}

func newHasher(s *search) *hasher {
	return &hasher{search: s, sum: sha256.New(), buffer: make([]byte, 256<<10)}
}

// candidate finds the entries whose content a candidate has. What cannot be read, or is
// changed meanwhile, is left out.
func (h *hasher) candidate(c *candidate) {
	if c.known {
		h.found(c, c.sha)
	} else {
		defer h.hashed(1, 0)
	}
	others := h.sparseOf(c.size)
	if c.known && len(others) == 0 {
		return
	}
	f, err := openOld(h.seed.roots[c.root], h.pathOf(c), c.print)
	if err != nil {
		return
	}
	defer f.Close()
	if !c.known {
		sha, ok := h.hash(f, []archive.Extent{{Length: c.size}})
		if !ok {
			return
		}
		h.cache.add(c.cacheKey, sha)
		h.found(c, sha)
	}
	for _, o := range others {
		e := h.inventory.Entry(int(o.entry))
		if sha, ok := h.hash(f, e.Extents); ok && sha == e.SHA256 {
			h.use(c, int(o.entry), e.Stored())
		}
	}
}

// hash hashes parts of a file.
func (h *hasher) hash(f *os.File, parts []archive.Extent) (sha [32]byte, ok bool) {
	h.sum.Reset()
	for _, x := range parts {
		for x.Length > 0 {
			b := h.buffer[:min(uint64(len(h.buffer)), x.Length)]
			if n, _ := f.ReadAt(b, int64(x.Offset)); n < len(b) || h.ctx.Err() != nil {
				return sha, false
			}
			h.sum.Write(b)
			x.Offset, x.Length = x.Offset+uint64(len(b)), x.Length-uint64(len(b))
			h.hashed(0, uint64(len(b)))
		}
	}
	return [32]byte(h.sum.Sum(nil)), true
}

// A known has the hashes of a record, for a walk through its directory.
type known struct {
	record *record
	next   func() (int, *archive.Entry, bool)
	stop   func()
	i      int
	entry  *archive.Entry // nil: no more
}

func newKnown(r *record) *known {
	k := &known{record: r, stop: func() {}}
	if r != nil {
		k.next, k.stop = iter.Pull2(r.entries.All())
		k.advance()
	}
	return k
}

func (k *known) advance() {
	var ok bool
	if k.i, k.entry, ok = k.next(); !ok {
		k.entry = nil
	}
}

// hashOf returns the hash of a file that nobody has touched since it was made.
func (k *known) hashOf(n *node) (sha [32]byte, ok bool) {
	for k.entry != nil && archive.Compare(k.entry.Path, n.path) < 0 {
		k.advance()
	}
	if k.entry == nil || k.entry.Path != n.path {
		return sha, false
	}
	e := k.entry
	if e.Type == archive.HardLink {
		to := k.record.entries.Entry(e.LinkedTo)
		e = &to
	}
	before, now := k.record.stamp(k.i), stampOf(n.info)
	return e.SHA256, e.Type == archive.File && e.Size > 0 && before.untouched(&now)
}

// inspectForReuse returns what is at NAME, whoever made it. The caller closes its root.
func (p *Place) inspectForReuse(name string) (*presence, error) {
	now := &presence{path: p.at(name), place: name}
	var err error
	if now.info, err = p.dir.Lstat(name); err != nil {
		return nil, err
	}
	if !now.info.IsDir() {
		if now.place = p.linkTarget(name); !p.hidden(name).isLinked(now.place) {
			return now, nil
		}
	}
	if now.root, err = p.dir.OpenRoot(now.place); err != nil {
		return nil, err
	}
	now.record = p.recordOf(name, now.root)
	return now, nil
}

// openOld opens an old file, which must be as it was when its stamp was taken.
func openOld(root *os.Root, path string, print uint64) (*os.File, error) {
	f, err := durable.OpenRegularIn(root, path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		if s := stampOf(info); s.print() != print {
			err = io.ErrUnexpectedEOF // it was changed
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
