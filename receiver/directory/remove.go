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
		n, directories, err := r.some(path)
		if err != nil {
			return err
		}
		if n == 0 {
			return r.root.Remove(path)
		}
		for _, name := range directories {
			if err := gone(r.directory(path + "/" + name)); err != nil {
				return err
			}
		}
	}
}

// some removes some of what is in a directory. It returns how many names it has seen, and
// those of directories that are not empty.
func (r *remover) some(path string) (n int, directories []string, err error) {
	info, err := r.root.Lstat(path)
	if err != nil {
		return 0, nil, err
	}
	if info.IsDir() && info.Mode().Perm()&0o700 != 0o700 {
		r.root.Chmod(path, 0o700) // it may belong to this user without being writable
	}
	dir, err := r.root.OpenRoot(path)
	if err != nil {
		return 0, nil, err
	}
	defer dir.Close()
	d, err := dir.Open(".")
	if err != nil {
		return 0, nil, err
	}
	names, err := d.Readdirnames(1024)
	d.Close()
	if err == io.EOF {
		return 0, nil, nil
	}
	for _, name := range names {
		if err := r.ctx.Err(); err != nil {
			return 0, nil, err
		}
		full, err := r.entry(dir, path, name)
		if err != nil {
			return 0, nil, err
		}
		if full {
			directories = append(directories, name)
		}
	}
	return len(names), directories, err
}

// entry removes something unless it is a directory that is not empty.
func (r *remover) entry(dir *os.Root, path, name string) (full bool, err error) {
	if r.progress.Files++; r.progress.Files%256 == 0 {
		r.observe(r.progress)
	}
	failed := gone(dir.Remove(name))
	if failed == nil {
		return false, nil
	}
	info, err := dir.Lstat(name)
	switch {
	case err != nil:
		return false, gone(err)
	case !info.IsDir():
		return false, failed
	case durable.Replaceable(dir, name) == durable.ErrMountPoint:
		return false, fmt.Errorf("%s %w", shown(path+"/"+name), durable.ErrMountPoint)
	}
	return true, nil
}

// gone returns no error if it says that something is removed already.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
