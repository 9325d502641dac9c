// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// keepHashes is how long hashes of old files are kept for a directory that does not come.
const keepHashes = 7 * 24 * time.Hour

// recoverAll finishes or removes what processes have left that were killed. Whatever
// another process works on is left alone.
func (p *Place) recoverAll() error {
	d, err := p.dir.Open(".")
	if err != nil {
		return p.fail("", cause(err))
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		return p.fail("", cause(err))
	}
	stems := make(map[string][]string)
	for _, name := range names {
		if stem, ok := stemOf(name); ok {
			stems[stem] = append(stems[stem], name)
		}
	}
	for stem, names := range stems {
		if len(names) == 1 && names[0] == (hidden{stem}).with(recordSuffix) {
			continue // all is well
		}
		if err := p.recover(hidden{stem}); err != nil {
			return err
		}
	}
	return nil
}

// recover brings one directory into order: afterwards NAME is the old or the new directory
// with its record, and everything else is trash, which is removed in the background.
func (p *Place) recover(h hidden) error {
	l, err := p.lock(h)
	if errors.Is(err, ErrInUse) {
		return nil
	}
	if err != nil {
		return p.fail(h.with(lockSuffix), err)
	}
	name := p.nameOf(h)
	err = p.settle(name, h)
	if info, err := p.dir.Lstat(h.with(hashesSuffix)); err == nil && time.Since(info.ModTime()) > keepHashes {
		p.dir.Remove(h.with(hashesSuffix))
	}
	l.release()
	if err != nil {
		return p.fail(name, err)
	}
	p.removal.Go(func() { p.emptyTrash(p.running, h.stem) })
	return nil
}

// nameOf returns the name of the directory that hidden files belong to.
func (p *Place) nameOf(h hidden) string {
	for _, suffix := range []string{nextSuffix, recordSuffix} {
		if r := readRecord(p.dir, h.with(suffix)); r != nil && p.hidden(r.name) == h {
			return r.name
		}
	}
	return h.stem
}

// settle ends an exchange that was begun. The caller has the lock.
func (p *Place) settle(name string, h hidden) error {
	next := readRecord(p.dir, h.with(nextSuffix))
	if _, err := p.dir.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		if err := p.putBack(name, h, next); err != nil {
			return err
		}
	}
	if err := p.settleRecord(name, h, next); err != nil {
		return err
	}
	target := p.linkTarget(name)
	for _, suffix := range []string{extractSuffix, newSuffix, oldSuffix, linkSuffix} {
		if err := p.trash(h.with(suffix)); err != nil {
			return err
		}
	}
	d, err := p.dir.Open(".")
	if err != nil {
		return cause(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	for _, linked := range names {
		if err == nil && h.isLinked(linked) && linked != target {
			err = p.trash(linked)
		}
	}
	return err
}

// putBack is called if there is nothing at NAME, as between two renames: the new directory
// is put there if it is complete, or else the old one.
func (p *Place) putBack(name string, h hidden, next *record) error {
	if _, err := p.dir.Lstat(h.with(oldSuffix)); err != nil {
		return nil // there was no directory before
	}
	for _, fresh := range []string{h.with(linkSuffix), h.with(newSuffix)} {
		root, err := p.dir.OpenRoot(fresh)
		if err != nil {
			continue
		}
		id, err := identify(root)
		root.Close()
		if err == nil && next != nil && next.root.is(id) {
			return p.rename(fresh, name)
		}
	}
	return p.rename(h.with(oldSuffix), name)
}

// settleRecord makes the record of what is at NAME the only one.
func (p *Place) settleRecord(name string, h hidden, next *record) error {
	if next == nil {
		return gone(p.dir.Remove(h.with(nextSuffix)))
	}
	root, err := p.dir.OpenRoot(name)
	if err == nil {
		defer root.Close()
		if id, err := identify(root); err == nil && next.root.is(id) {
			p.step("record")
			return p.rename(h.with(nextSuffix), h.with(recordSuffix))
		}
	}
	return gone(p.dir.Remove(h.with(nextSuffix)))
}

// linkTarget returns where NAME leads to if it is a symbolic link.
func (p *Place) linkTarget(name string) string {
	if info, err := p.dir.Lstat(name); err != nil || info.Mode().Type() != os.ModeSymlink {
		return ""
	}
	target, _ := p.dir.Readlink(name)
	return target
}
