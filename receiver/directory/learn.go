// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// learned is what is known of a directory before its archive is there.
type learned struct {
	name       string
	archive    proto.Descriptor
	inventory  *archive.Inventory
	descriptor proto.Descriptor // of the inventory

	mu   sync.Mutex
	lock *lock // nil: not taken
	seed *seed // nil: none
}

// Learn reads the inventory of the archive of m, and checks that the directory is allowed,
// and can be made here. Then it looks for files that are in older directories already: what
// it returns reads the archive as far as it is known. All of that is for [Place.Commit] too.
// It may be called again, for another directory or another release of this one; what it
// returned before then reads nothing more.
func (p *Place) Learn(ctx context.Context, m *proto.Manifest, inventory []byte) (io.ReaderAt, error) {
	name := m.DirectoryName()
	inv, err := archive.Parse(inventory, p.cfg.MaxEntries)
	switch {
	case errors.Is(err, archive.ErrTooMany):
		n, _ := archive.Count(inventory)
		return nil, p.fail(name, &RefusedError{fmt.Sprintf("it has %d files and directories, and at most %d are allowed", n, p.cfg.MaxEntries)})
	case errors.As(err, new(*archive.EntryError)):
		return nil, p.fail(name, fmt.Errorf("invalid inventory: %w", err))
	case err != nil:
		return nil, p.fail(name, err)
	}
	if err := p.possible(name); err != nil {
		return nil, err
	}
	if err := p.allowed(inv, m); err != nil {
		return nil, p.fail(name, err)
	}
	l := &learned{name: name, archive: m.Descriptor, inventory: inv, descriptor: m.Inventory}
	if err := p.setLearned(l); err != nil {
		return nil, err
	}
	if err := p.keep(ctx, name); err != nil {
		return nil, err
	}
	if err := cmp.Or(p.room(inv), p.tryLink(inv, p.hidden(name).with(linkSuffix))); err != nil {
		return nil, p.fail(name, err)
	}
	s, err := p.search(ctx, l)
	if err != nil {
		return nil, p.fail(name, err)
	}
	l.mu.Lock()
	l.seed = s
	l.mu.Unlock()
	return &archive.Reader{Inventory: inv, Content: s.read}, nil
}

// setLearned makes l what is known of its directory, and takes the lock of that.
func (p *Place) setLearned(l *learned) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before := p.learned[l.name]; before != nil {
		before.mu.Lock()
		l.lock, before.lock = before.lock, nil
		before.mu.Unlock()
		before.leave()
	}
	if l.lock == nil {
		if l.lock, err = p.lock(p.hidden(l.name)); err != nil {
			delete(p.learned, l.name)
			return p.fail(l.name, err)
		}
	}
	p.learned[l.name] = l
	return nil
}

// begin returns what is known of the directory of m, and takes its lock.
func (p *Place) begin(m *proto.Manifest) (l *learned, err error) {
	name := m.DirectoryName()
	p.mu.Lock()
	defer p.mu.Unlock()
	l = p.learned[name]
	if l == nil || l.archive != m.Descriptor || l.descriptor != m.Inventory {
		return nil, p.fail(name, errors.New("internal error: its inventory is unknown"))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seed.close() // not every system renames a directory in which a file is open
	l.seed = nil
	if l.lock == nil {
		l.lock, err = p.lock(p.hidden(name))
	}
	return l, p.fail(name, err)
}

// forget is called when the directory is there.
func (p *Place) forget(l *learned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dir.Remove(p.hidden(l.name).with(hashesSuffix))
	if p.learned[l.name] == l {
		delete(p.learned, l.name)
	}
}

// leave lets other processes have the directory. The inventory stays.
func (l *learned) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seed.close()
	l.seed = nil
	if l.lock != nil {
		l.lock.release()
		l.lock = nil
	}
}

// allowed returns an error if an inventory has what is not wanted, or not possible here.
func (p *Place) allowed(inv *archive.Inventory, m *proto.Manifest) error {
	if inv.ArchiveSize() != m.Descriptor.Size {
		return fmt.Errorf("%w: it is of %d bytes, and by the inventory of %d", ErrDisagrees, m.Descriptor.Size, inv.ArchiveSize())
	}
	for _, e := range inv.All() {
		if err := p.allowedEntry(e); err != nil {
			return fmt.Errorf("%s: %w", shown(e.Path), err)
		}
	}
	return nil
}

func (p *Place) allowedEntry(e *archive.Entry) error {
	const asOwner = archive.ModeSetuid | archive.ModeSetgid
	if p.cfg.Preserve.Special && e.Mode&asOwner != 0 && !(p.cfg.Preserve.Owners && e.Owned) {
		return &RefusedError{"a setuid or setgid bit is received together with its owner only: send and receive with --preserve special,owners"}
	}
	if !p.cfg.Preserve.Special {
		switch {
		case e.Type.IsSpecial():
			return &RefusedError{fmt.Sprintf("a %v is received with --preserve special only", e.Type)}
		case e.Mode&asOwner != 0:
			return &RefusedError{"a setuid or setgid bit is received with --preserve special,owners only"}
		case p.cfg.Preserve.Xattrs && grants(e.Xattrs):
			return &RefusedError{"capabilities are received with --preserve special only"}
		}
	}
	if p.cfg.MaxFile > 0 && e.Size > p.cfg.MaxFile {
		return &RefusedError{fmt.Sprintf("it has %v, and at most %v are allowed", quantity.Size(e.Size), quantity.Size(p.cfg.MaxFile))}
	}
	if err := possiblePath(e.Path); err != nil {
		return err
	}
	name := e.Path[strings.LastIndexByte(e.Path, '/')+1:]
	if len(name) > p.longest {
		return fmt.Errorf("its name has %d bytes, and the file system has room for %d", len(name), p.longest)
	}
	return nil
}

// grants reports whether an extended attribute gives who runs a file a privilege.
func grants(all []archive.Xattr) bool {
	for _, x := range all {
		if x.Name == "security.capability" {
			return true
		}
	}
	return false
}

// tryLink makes and removes the longest symbolic link of an inventory, under a name of its
// own, since file systems differ in how long links may be, or lack them.
func (p *Place) tryLink(inv *archive.Inventory, name string) error {
	var longest archive.Entry
	for _, e := range inv.All() {
		if len(e.Target) > len(longest.Target) {
			longest = *e
		}
	}
	if longest.Target == "" {
		return nil
	}
	p.dir.Remove(name)
	if err := p.dir.Symlink(longest.Target, name); err != nil {
		return fmt.Errorf("%s: a symbolic link of %d bytes cannot be made here: %w", shown(longest.Path), len(longest.Target), cause(err))
	}
	return cause(p.dir.Remove(name))
}

// room returns an error if there is too little of it for the new directory. What is not
// known does not count.
func (p *Place) room(inv *archive.Inventory) error {
	d, err := p.dir.Open(".")
	if err != nil {
		return cause(err)
	}
	defer d.Close()
	free, known := freeOn(d)
	if !known {
		return nil
	}
	bytes, files := needs(inv, free.block)
	if bytes > free.bytes {
		return fmt.Errorf("the new directory takes %v beside the archive and the old directory, and %v are free: make room for %v more, or receive elsewhere",
			quantity.Size(bytes), quantity.Size(free.bytes), quantity.Size(bytes-free.bytes))
	}
	if free.limited && files > free.files {
		return fmt.Errorf("the new directory has %d files and directories beside the old one, and the file system has room for %d more: remove files, or receive elsewhere", files, free.files)
	}
	return nil
}

// space is what is free on a file system.
type space struct {
	bytes, files uint64
	block        uint64 // bytes that a file takes at least
	limited      bool   // files is known
}

// needs returns what a directory takes: blocks of the content, and of what has no content
// but takes some.
func needs(inv *archive.Inventory, block uint64) (bytes, files uint64) {
	up := func(n uint64) uint64 { return (n + block - 1) / block * block }
	for _, e := range inv.All() {
		if e.Type != archive.HardLink {
			files++
		}
		switch {
		case e.Type == archive.Directory, len(e.Xattrs) > 0, len(e.Target) >= 60:
			bytes += block
		}
		if e.Type != archive.SparseFile {
			bytes += up(e.Size)
		}
		for _, x := range e.Extents {
			bytes += up(x.Offset+x.Length) - x.Offset/block*block
		}
	}
	return bytes, files
}
