// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"

	"iotupd/internal/durable"
)

// A node is something that a walk comes to.
type node struct {
	path  string // from the directory where the walk began, with slashes
	info  fs.FileInfo
	mount bool // it is a directory that another file system is mounted on
}

// A walker goes through a directory in the order of an inventory. It follows no links, and
// has one directory open at a time.
type walker struct {
	ctx   context.Context
	root  *os.Root
	visit func(*node) error
	// unread is called with a directory that cannot be read.
	unread func(path string, err error) error
}

// walk visits all that is in the directory at path.
func (w *walker) walk(path string) error {
	nodes, err := w.list(path)
	if err != nil {
		if path == "" {
			return err
		}
		return w.unread(path, err)
	}
	for i := range nodes {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n := nodes[i]
		nodes[i].info = nil
		if err := w.visit(&n); err != nil {
			return err
		}
		if n.info.IsDir() && !n.mount {
			if err := w.walk(n.path); err != nil {
				return err
			}
		}
	}
	return nil
}

// list returns what is in a directory.
func (w *walker) list(path string) ([]node, error) {
	dir := w.root
	if path != "" {
		sub, err := w.root.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		defer sub.Close()
		dir, path = sub, path+"/"
	}
	d, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	nodes := make([]node, 0, len(entries))
	for _, e := range entries {
		info, err := dir.Lstat(e.Name())
		if err != nil {
			continue // it was removed meanwhile
		}
		n := node{path: path + e.Name(), info: info}
		n.mount = info.IsDir() && durable.Replaceable(dir, e.Name()) == durable.ErrMountPoint
		nodes = append(nodes, n)
	}
	return nodes, nil
}
