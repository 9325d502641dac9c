// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"iotupd/internal/durable"
)

// trash gives something that is not needed any more a name under which it is removed, by
// this process or by the next one. It need not be there.
func (p *Place) trash(name string) error {
	info, err := p.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cause(err)
	}
	if !info.IsDir() {
		return p.dir.Remove(name)
	}
	stem, ok := stemOf(name)
	if !ok {
		return fmt.Errorf("internal error: %q is not hidden", name)
	}
	for n := range 100 {
		to := hidden{stem}.with(fmt.Sprintf("%s%d", trashSuffix, n))
		if _, err := p.dir.Lstat(to); err == nil {
			continue
		}
		if err := p.dir.Rename(name, to); err != nil {
			return cause(err)
		}
		return nil
	}
	return fmt.Errorf("too many old directories are left beside it; remove %s", p.at(hidden{stem}.with(trashSuffix+"*")))
}

// A remover removes a directory with all that is in it. It follows no links, does not go
// to other file systems, and has one directory open at a time.
type remover struct {
	ctx      context.Context
	root     *os.Root
	observe  func(Progress)
	progress Progress
}

// emptyTrash removes the directories of a stem that are not needed. What cannot be removed
// stays.
func (p *Place) emptyTrash(ctx context.Context, stem string) error {
	var failed error
	for n := range 100 {
		name := hidden{stem}.with(fmt.Sprintf("%s%d", trashSuffix, n))
		if _, err := p.dir.Lstat(name); err != nil {
			continue
		}
		p.step("remove")
		r := remover{ctx: ctx, root: p.dir, observe: p.cfg.Observe, progress: Progress{Phase: Removing}}
		if err := r.directory(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = p.fail(name, cause(err))
		}
	}
	return failed
}

// directory removes the directory at path.
func (r *remover) directory(path string) error {
	for {
		names, err := r.some(path)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return r.root.Remove(path)
		}
		for _, name := range names {
			if err := r.entry(path + "/" + name); err != nil {
				return err
			}
		}
	}
}

func (r *remover) entry(path string) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	info, err := r.root.Lstat(path)
	if err != nil {
		return gone(err)
	}
	if info.IsDir() {
		if err := r.mounted(path); err != nil {
			return err
		}
		return gone(r.directory(path))
	}
	if r.progress.Files++; r.progress.Files%256 == 0 {
		r.observe(r.progress)
	}
	return gone(r.root.Remove(path))
}

// gone returns no error if it says that something is removed already.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// mounted returns an error if another file system is mounted on a directory.
func (r *remover) mounted(path string) error {
	i := len(path) - 1
	for path[i] != '/' {
		i--
	}
	parent, err := r.root.OpenRoot(path[:i])
	if err != nil {
		return err
	}
	defer parent.Close()
	if durable.Replaceable(parent, path[i+1:]) == durable.ErrMountPoint {
		return fmt.Errorf("%q %w", path, durable.ErrMountPoint)
	}
	return nil
}

// some returns names of what is in a directory, which may belong to this user without
// being writable.
func (r *remover) some(path string) ([]string, error) {
	info, err := r.root.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() && info.Mode().Perm()&0o700 != 0o700 {
		r.root.Chmod(path, 0o700)
	}
	d, err := r.root.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.Readdirnames(1024)
	if err == io.EOF {
		err = nil
	}
	return entries, err
}
