// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// Commit makes the directory of m from its archive, which has been verified, and returns its
// path. When it returns nil, the directory survives a power cut, and the old one is removed in
// the background: see [Place.Wait]. After an error, the old directory is still there. Learn was
// called before. If inspect is not nil, it is called with the path of the complete new
// directory, before that takes the place of the old one; its error ends Commit.
func (p *Place) Commit(ctx context.Context, m *proto.Manifest, content io.ReaderAt, inspect func(path string) error) (path string, err error) {
	name := m.DirectoryName()
	l, err := p.begin(m)
	if err != nil {
		return "", err
	}
	defer l.leave()
	if err := p.possible(name); err != nil {
		return "", err
	}
	c := &commit{Place: p, ctx: ctx, m: m, name: name, h: p.hidden(name), inventory: l.inventory}
	if err := c.settle(name, c.h); err != nil {
		return "", p.fail(name, err)
	}
	if err := c.make(content); err != nil {
		c.giveUp()
		return "", p.fail(name, c.explain(err))
	}
	if inspect != nil {
		if err := inspect(p.at(c.made)); err != nil {
			c.giveUp()
			return "", err
		}
	}
	if err := c.replace(); err != nil {
		c.giveUp()
		return "", err
	}
	p.forget(l)
	l.leave()
	p.step("done")
	p.removal.Go(func() { p.emptyTrash(p.running, c.h.stem) })
	return p.at(name), nil
}

// keep returns an error if what is at NAME is not replaced.
func (p *Place) keep(ctx context.Context, name string) error {
	now, err := p.inspect(ctx, name, nil)
	if err != nil {
		return err
	}
	defer now.close()
	return p.fail(name, now.refusal(p.cfg.Replace))
}

// A commit makes one directory and puts it into place.
type commit struct {
	*Place
	ctx       context.Context
	m         *proto.Manifest
	name      string
	h         hidden
	inventory *archive.Inventory
	made      string // name of the complete new directory
}

// make makes the new directory, durable and with a record.
func (c *commit) make(content io.ReaderAt) error {
	extract := c.h.with(extractSuffix)
	if err := c.dir.Mkdir(extract, 0o700); err != nil {
		return cause(err)
	}
	c.step("extract")
	root, err := c.dir.OpenRoot(extract)
	if err != nil {
		return cause(err)
	}
	defer root.Close()
	x := newExtraction(c.ctx, c.Place, c.inventory, root, content)
	if err := x.run(); err != nil {
		return err
	}
	c.step("extracted")
	r := &record{name: c.name, archive: c.m.Descriptor, inventory: c.m.Inventory, preserve: c.cfg.Preserve, entries: c.inventory, stamps: x.stamps}
	if r.root, err = identify(root); err != nil {
		return cause(err)
	}
	root.Close() // some systems do not rename what is open
	if err := c.sync(); err != nil {
		return err
	}
	c.step("synced")
	if err := c.write(c.h.with(nextSuffix), r.appendTo(nil)); err != nil {
		return fmt.Errorf("writing the record: %w", cause(err))
	}
	c.step("recorded")
	if err := c.ctx.Err(); err != nil {
		return err
	}
	c.made = c.h.with(newSuffix)
	if c.cfg.Link {
		c.made = c.freeLinked()
	}
	return c.rename(extract, c.made)
}

// write makes a file, which survives a power cut as a whole: a part of a record is not valid.
func (c *commit) write(name string, content []byte) error {
	f, err := c.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, recordMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(c.dir)
}

// sync makes the files durable.
func (c *commit) sync() error {
	d, err := c.dir.Open(".")
	if err != nil {
		return cause(err)
	}
	defer d.Close()
	return cause(syncAll(d))
}

// freeLinked returns a name for the directory that the link will lead to.
func (c *commit) freeLinked() (name string) {
	for n := range 100 {
		name = c.h.linked(c.m.Descriptor.Object(), n)
		if _, err := c.dir.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return name
}

// replace puts the new directory into the place of the old one, which becomes trash.
func (c *commit) replace() error {
	if err := c.keep(c.ctx, c.name); err != nil { // as late as possible
		return err
	}
	if err := c.ctx.Err(); err != nil {
		return c.fail(c.name, err)
	}
	fresh := c.made
	if c.cfg.Link {
		fresh = c.h.with(linkSuffix)
		if err := c.dir.Symlink(c.made, fresh); err != nil {
			return c.fail(c.name, fmt.Errorf("making a link: %w", cause(err)))
		}
	}
	c.step("complete")
	old, err := c.dir.Lstat(c.name)
	if c.cfg.Link && err == nil && old.Mode().Type() == os.ModeSymlink {
		err = c.replaceLink(c.name, fresh)
	} else {
		err = c.put(c.name, fresh)
	}
	if err != nil {
		return c.fail(c.name, c.explain(err))
	}
	c.step("replaced")
	// The new directory is durable. An error of what follows is mended by the next run.
	c.settle(c.name, c.h)
	c.step("settled")
	return nil
}

// giveUp removes the new directory.
func (c *commit) giveUp() {
	if c.settle(c.name, c.h) == nil {
		c.emptyTrash(context.WithoutCancel(c.ctx), c.h.stem)
	}
}

// explain says what to do about an error of the system.
func (c *commit) explain(err error) error {
	switch {
	case durable.IsFull(err):
		return fmt.Errorf("%w: the old directory stays; make room for the new one beside it", err)
	case errors.Is(err, syscall.EXDEV):
		return fmt.Errorf("%w: the directory is in a lower layer of an overlay, where nothing can be renamed; remove it first", err)
	case durable.IsTooMany(err):
		return fmt.Errorf("%w: allow this process more of them with ulimit -n", err)
	}
	return err
}
