// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// A presence is what is at NAME.
type presence struct {
	path  string
	info  fs.FileInfo // nil: nothing
	place string      // name of the directory in DIR: NAME, or where a link of ours leads to
	root  *os.Root    // nil: NAME is neither a directory nor such a link

	record *record // nil: iotupd did not make it
	intact bool    // everything is as iotupd made it, and as it is wanted

	added, changed int    // entries, since iotupd made it
	first          string // path of the first of them
	mount          string // path of a file system that is mounted there
}

func (n *presence) close() {
	if n.root != nil {
		n.root.Close()
	}
}

// isLink reports whether NAME is a symbolic link of ours.
func (n *presence) isLink() bool { return n.root != nil && !n.info.IsDir() }

// inspect looks at what is at NAME, and at everything in it. It may be the directory of m,
// which is nil if that is not asked. The caller closes it.
func (p *Place) inspect(ctx context.Context, name string, m *proto.Manifest) (now *presence, err error) {
	now = &presence{path: p.at(name), place: name}
	now.info, err = p.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		now.info = nil
		return now, nil
	}
	if err != nil {
		return nil, p.fail(name, cause(err))
	}
	if now.info.Mode().Type() == fs.ModeSymlink {
		now.place, err = p.dir.Readlink(name)
		if err != nil || !p.hidden(name).isLinked(now.place) {
			return now, nil
		}
	} else if !now.info.IsDir() {
		return now, nil
	}
	now.root, err = p.dir.OpenRoot(now.place)
	if err != nil && now.place != name {
		return now, nil // the link leads nowhere
	}
	if err != nil {
		return nil, p.fail(name, cause(err))
	}
	if now.record = p.recordOf(name, now.root); now.record != nil {
		now.intact = m != nil && now.record.of(m) && now.record.preserve == p.cfg.Preserve
	} else if !p.cfg.Replace {
		return now, nil // it is refused, whatever is in it
	}
	if err := now.compare(ctx); err != nil {
		now.close()
		return nil, p.fail(name, cause(err))
	}
	return now, nil
}

// compare compares the directory with its record.
func (n *presence) compare(ctx context.Context) error {
	c := comparison{presence: n, ctx: ctx, next: func() (int, *archive.Entry, bool) { return 0, nil, false }}
	if n.record != nil {
		next, stop := iter.Pull2(n.record.entries.All())
		defer stop()
		c.next = next
		c.advance()
		c.advance() // the directory itself
		if n.info.IsDir() && n.record.stamp(0).mode != n.info.Mode() {
			n.intact = false
		}
	}
	w := walker{ctx: ctx, root: n.root, visit: c.visit, unread: c.unread}
	if err := w.walk(""); err != nil {
		return err
	}
	if c.entry != nil {
		n.intact = false // it is missing
	}
	return nil
}

// A comparison goes through a directory and its record at the same time.
type comparison struct {
	*presence
	ctx   context.Context
	next  func() (int, *archive.Entry, bool)
	i     int
	entry *archive.Entry // the next one of the record; nil: none
	same  bool           // nothing was put directly into the directory that was visited last
}

func (c *comparison) advance() {
	var ok bool
	if c.i, c.entry, ok = c.next(); !ok {
		c.entry = nil
	}
}

func (c *comparison) visit(n *node) error {
	if n.mount && c.mount == "" {
		c.mount = n.path
	}
	if c.record == nil {
		return nil
	}
	for c.entry != nil && archive.Compare(c.entry.Path, n.path) < 0 {
		c.intact = false // it is missing
		c.advance()
	}
	if c.entry == nil || c.entry.Path != n.path {
		c.note(&c.added, n.path)
		return nil
	}
	before, now := c.record.stamp(c.i), stampOf(n.info)
	c.same = before.modified == now.modified
	switch {
	case !before.sameContent(&now):
		c.note(&c.changed, n.path)
	case before.mode != now.mode:
		c.intact = false
	case !now.mode.IsDir() && !before.untouched(&now):
		c.intact = c.intact && c.sameHash(n)
	}
	c.advance()
	return nil
}

func (c *comparison) note(count *int, path string) {
	*count++
	c.intact = false
	if c.first == "" {
		c.first = path
	}
}

// unread is called with a directory that cannot be read, as its inventory may have it.
func (c *comparison) unread(path string, err error) error {
	if c.record != nil && !c.same {
		c.note(&c.changed, path)
	}
	for c.entry != nil && strings.HasPrefix(c.entry.Path, path+"/") {
		c.advance()
	}
	return nil
}

// sameHash reports whether a file, whose inode alone was changed, has the content of its
// entry.
func (c *comparison) sameHash(n *node) bool {
	e := c.entry
	if e.Type == archive.HardLink {
		to := c.record.entries.Entry(e.LinkedTo)
		e = &to
	}
	if e.Type != archive.File || !n.info.Mode().IsRegular() {
		return e.Type == archive.Symlink // whose time would differ
	}
	f, err := durable.OpenRegularIn(c.root, n.path, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	for err == nil && c.ctx.Err() == nil {
		_, err = io.CopyN(h, f, 1<<20)
	}
	return err == io.EOF && (e.Size == 0 || [sha256.Size]byte(h.Sum(nil)) == e.SHA256)
}

// refusal returns why NAME is not replaced; nil: it is.
func (n *presence) refusal(replace bool) error {
	switch {
	case n.info == nil:
		return nil
	case n.mount != "":
		return fmt.Errorf("something is mounted in it, on %s: unmount that first", shown(n.mount))
	case n.root == nil && n.info.Mode().Type() != fs.ModeSymlink:
		return errors.New("is in the way: it is not a directory")
	case replace:
		return nil
	case n.record == nil:
		return fmt.Errorf("iotupd did not make this directory: %w", ErrNotOurs)
	case n.added+n.changed > 0:
		return fmt.Errorf("since iotupd made this directory, %s, such as %s: %w", n.counts(), shown(n.first), ErrNotOurs)
	}
	return nil
}

// counts says how many entries were added or changed.
func (n *presence) counts() string {
	switch {
	case n.changed == 0:
		return fmt.Sprintf("%s added", entries(n.added))
	case n.added == 0:
		return fmt.Sprintf("%s changed", entries(n.changed))
	}
	return fmt.Sprintf("%s added and %s changed", entries(n.added), entries(n.changed))
}

func entries(n int) string {
	if n == 1 {
		return "1 file or directory was"
	}
	return fmt.Sprintf("%d files and directories were", n)
}
