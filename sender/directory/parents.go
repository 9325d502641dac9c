// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
)

// mostParents is how many directories are kept open to open what is in them.
const mostParents = 8

// parents are directories that are open, so that a file costs one call and not one for each
// directory that it is in. One that was moved meanwhile shows when its own entry is looked at,
// and files are compared with the scan wherever they are now. They are safe for concurrent use.
type parents struct {
	root *os.Root

	mu   sync.Mutex
	open []parent // the one used last first
}

type parent struct {
	path string
	*os.Root
}

// in calls do with the directory that an entry is in, and the name of the entry there.
func (p *parents) in(at string, do func(dir *os.Root, name string) error) error {
	dir, name := path.Split(at)
	if dir == "" {
		return do(p.root, path.Join(".", name))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.open, func(o parent) bool { return o.path == dir })
	if i < 0 {
		root, err := p.root.OpenRoot(filepath.FromSlash(path.Clean(dir)))
		if err != nil {
			return err
		}
		if i = len(p.open); i == mostParents {
			i--
			p.open[i].Close()
			p.open = p.open[:i]
		}
		p.open = append(p.open, parent{dir, root})
	}
	used := p.open[i]
	copy(p.open[1:], p.open[:i])
	p.open[0] = used
	return do(used.Root, name)
}

// shrink closes all directories, and reports whether there was any.
func (p *parents) shrink() (closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.open {
		o.Close()
		closed = true
	}
	p.open = nil
	return closed
}
