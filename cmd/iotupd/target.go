// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"iotupd/proto"
	"iotupd/receiver"
)

// A target is where a received file goes. Until commit nothing of it can be
// mistaken for the file.
type target interface {
	// open starts over with an object: receiver.Config.Open.
	open(proto.ObjectID, proto.Params) (receiver.Store, error)
	// has reports whether the verified content of m is there already.
	has(m *proto.Manifest) bool
	// commit makes the verified bytes the file, and tells its path.
	commit(m *proto.Manifest) (path string, err error)
	// close removes what was not committed.
	close()
}

// partSuffix marks the hidden file that receives beside the target.
const partSuffix = ".iotupd-part"

// maxPartName leaves room for the suffix in the 255 bytes of a file name.
const maxPartName = 240

// A fileTarget puts the file into a directory: received into a hidden file
// there, renamed over an old one once verified.
type fileTarget struct {
	dir  *os.Root
	name string // empty: the manifest's

	part     *os.File
	partName string
}

// newFileTarget prepares for --output path. Symbolic links are followed now,
// so that the file that a link points to is the one replaced.
func newFileTarget(path string) (*fileTarget, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, usageError("--output %s is a directory; use --dir to keep the sent name in it", path)
	case err == nil && !info.Mode().IsRegular():
		return nil, usageError("--output %s is not a regular file", path)
	case err == nil:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, withCode(exitLocalIO, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, withCode(exitLocalIO, err)
	}
	t, err := newDirTarget(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	t.name = filepath.Base(path)
	return t, nil
}

// newDirTarget prepares for --dir path.
func newDirTarget(path string) (*fileTarget, error) {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return nil, withCode(exitLocalIO, fmt.Errorf("%s: %w; the directory must exist", path, cause(err)))
	}
	return &fileTarget{dir: dir}, nil
}

// cause strips what os puts around an error, where the message names the file
// already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (t *fileTarget) path(name string) string { return filepath.Join(t.dir.Name(), name) }

func (t *fileTarget) open(id proto.ObjectID, _ proto.Params) (receiver.Store, error) {
	name := t.name
	if name == "" || len(name) > maxPartName {
		name = id.String()
	}
	t.partName = "." + name + partSuffix
	if err := t.removeStale(); err != nil {
		return nil, withCode(exitLocalIO, err)
	}
	var err error
	t.part, err = t.dir.OpenFile(t.partName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, withCode(exitLocalIO, fmt.Errorf("%s: %w", t.path(t.partName), cause(err)))
	}
	if _, err := lock(t.part); err != nil {
		return nil, withCode(exitLocalIO, err)
	}
	return store{t.part, t.close}, nil
}

// removeStale removes a partial file that an earlier run left behind, whatever
// it is: nothing on disk is trusted. One that another process is writing is an
// error.
func (t *fileTarget) removeStale() error {
	info, err := t.dir.Lstat(t.partName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		if f, err := t.dir.Open(t.partName); err == nil {
			free, err := lock(f)
			f.Close()
			if err == nil && !free {
				return fmt.Errorf("%s is in use: another iotupd receives the same file", t.path(t.partName))
			}
		}
	}
	return t.dir.Remove(t.partName)
}

func (t *fileTarget) has(m *proto.Manifest) bool {
	name := t.finalName(m)
	info, err := t.dir.Stat(name)
	if err != nil || !info.Mode().IsRegular() || uint64(info.Size()) != m.Descriptor.Size {
		return false
	}
	f, err := t.dir.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && [sha256.Size]byte(h.Sum(nil)) == m.Descriptor.SHA256
}

func (t *fileTarget) finalName(m *proto.Manifest) string {
	if t.name != "" {
		return t.name
	}
	return m.Name
}

func (t *fileTarget) commit(m *proto.Manifest) (string, error) {
	name := t.finalName(m)
	path := t.path(name)
	err := t.seal(name, int64(m.Descriptor.Size))
	if err == nil {
		err = t.dir.Rename(t.partName, name)
	}
	if err != nil {
		return path, withCode(exitLocalIO, fmt.Errorf("%s: %w", path, cause(err)))
	}
	t.part = nil
	return path, withCode(exitLocalIO, syncDir(t.dir))
}

// seal gives the part its final size and mode, makes it durable and closes it.
func (t *fileTarget) seal(name string, size int64) error {
	if info, err := t.dir.Stat(name); err == nil {
		if err := t.part.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := t.part.Truncate(size); err != nil {
		return err
	}
	if err := t.part.Sync(); err != nil {
		return err
	}
	return t.part.Close()
}

// syncDir makes a rename durable. Systems that cannot sync a directory need no
// help with it.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func (t *fileTarget) close() {
	if t.part != nil {
		t.part.Close()
		t.dir.Remove(t.partName)
		t.part = nil
	}
}

// A scratchTarget receives into a temporary file. What happens to the verified
// bytes is up to use.
type scratchTarget struct {
	use    func(verified io.Reader) error // nil: nothing
	file   *os.File
	remove func()
}

func (t *scratchTarget) open(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
	t.close()
	var err error
	if t.file, t.remove, err = newScratch(0); err != nil {
		return nil, err
	}
	return store{t.file, t.close}, nil
}

func (t *scratchTarget) has(*proto.Manifest) bool { return false }

func (t *scratchTarget) commit(m *proto.Manifest) (string, error) {
	if t.use == nil {
		return "", nil
	}
	return "", withCode(exitLocalIO, t.use(io.NewSectionReader(t.file, 0, int64(m.Descriptor.Size))))
}

func (t *scratchTarget) close() {
	if t.remove != nil {
		t.remove()
		t.remove = nil
	}
}

// A store is a receiver.Store in a file.
type store struct {
	*os.File
	discard func()
}

func (s store) Reserve(size int64) error {
	if err := allocate(s.File, size); err != nil {
		return cause(err)
	}
	return nil
}

func (s store) Discard() error {
	s.discard()
	return nil
}
