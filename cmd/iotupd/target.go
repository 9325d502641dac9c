// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"iotupd/proto"
	"iotupd/receiver"
)

// A target is where a received file goes. Until commit nothing of it can be
// mistaken for the file.
type target interface {
	// open starts over with an object: receiver.Config.Open.
	open(proto.ObjectID, proto.Params) (receiver.Store, error)
	// has returns the path of the file if the content of m is there already. An
	// error means that commit cannot succeed. It may run beside all the others.
	has(ctx context.Context, m *proto.Manifest) (path string, err error)
	// commit makes the verified bytes the file, and tells its path, if it has
	// one. If it has to wait for a reader of theirs, the end of ctx ends it.
	commit(ctx context.Context, m *proto.Manifest) (path string, err error)
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

	part     *os.File // nil: none
	partName string
}

// newFileTarget prepares for --output path. Symbolic links are followed now,
// so that the file that a link points to is the one replaced.
func newFileTarget(path string) (*fileTarget, error) {
	if os.IsPathSeparator(path[len(path)-1]) {
		return nil, usageError("--output %s names a directory; use --dir to keep the sent name in it", path)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, usageError("--output %s is a directory; use --dir to keep the sent name in it", path)
	case err == nil && !info.Mode().IsRegular():
		return nil, usageError("--output %s is not a regular file", path)
	case err == nil:
		path, err = filepath.EvalSymlinks(path)
	case errors.Is(err, fs.ErrNotExist):
		if _, e := os.Lstat(path); e == nil {
			return nil, usageError("--output %s is a symbolic link to a file that does not exist", path)
		}
		err = nil
	}
	if err != nil {
		return nil, withCode(exitLocalIO, fmt.Errorf("--output %s: %w", path, cause(err)))
	}
	t, err := newDirTarget(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	t.name = filepath.Base(path)
	return t, nil
}

// newDirTarget prepares for --dir path. That files can be made there is tried
// at once, and not only when the first packet comes.
func newDirTarget(path string) (*fileTarget, error) {
	dir, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withCode(exitLocalIO, fmt.Errorf("directory %s does not exist; make it first", path))
	}
	if err != nil {
		return nil, withCode(exitLocalIO, fmt.Errorf("directory %s: %w", path, cause(err)))
	}
	if err := tryDir(path); err != nil {
		dir.Close()
		return nil, withCode(exitLocalIO, fmt.Errorf("directory %s: cannot make a file in it: %w", path, cause(err)))
	}
	return &fileTarget{dir: dir}, nil
}

func tryDir(path string) error {
	f, err := os.CreateTemp(path, ".iotupd-*.tmp")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// cause strips what package os puts around an error, where the message names
// the file already.
func cause(err error) error {
	var errno syscall.Errno
	var path *fs.PathError
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &path):
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
	err := t.removeStale(t.partName)
	if err == nil {
		err = t.create()
	}
	if err != nil {
		return nil, withCode(exitLocalIO, fmt.Errorf("%s: %w", t.path(t.partName), cause(err)))
	}
	if t.name == "" {
		t.sweep()
	}
	return store{t.part, t.discard}, nil
}

var (
	errInUse = errors.New("another iotupd receives the same file")

	// errNoLocks is what lock returns where nothing can be locked.
	errNoLocks = errors.New("no locks here")
)

// removeStale removes a partial file that an earlier run left behind, whatever
// it is: nothing on disk is trusted, and no link is followed. One that another
// process is writing is an error.
func (t *fileTarget) removeStale(name string) error {
	info, err := t.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		f, err := t.dir.OpenFile(name, os.O_RDWR, 0) // NFS locks only what may be written
		if errors.Is(err, fs.ErrPermission) {
			f, err = t.dir.Open(name)
		}
		if err != nil {
			return err
		}
		defer f.Close() // unlocks, after the removal
		free, err := lock(f)
		if err != nil && !errors.Is(err, errNoLocks) {
			return err
		}
		// It may have been removed, and made again by another, before the lock.
		if err == nil && !free || !t.means(name, f) {
			return errInUse
		}
	}
	return t.dir.Remove(name)
}

// partOfObject matches the partial files of --dir.
var partOfObject = regexp.MustCompile(`^\.[0-9a-f]{32}` + regexp.QuoteMeta(partSuffix) + `$`)

// sweep removes what transfers of other objects into the directory left behind
// when their power was cut. A living one is locked; where there are no locks,
// all are taken for living.
func (t *fileTarget) sweep() {
	if _, err := lock(t.part); err != nil { // again, which does no harm
		return
	}
	entries, _ := fs.ReadDir(t.dir.FS(), ".")
	for _, e := range entries {
		if e.Name() != t.partName && e.Type().IsRegular() && partOfObject.MatchString(e.Name()) {
			t.removeStale(e.Name())
		}
	}
}

// create makes the partial file and locks it. Another process may have taken
// it for a stale one in between.
func (t *fileTarget) create() error {
	f, err := t.dir.OpenFile(t.partName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	free, err := lock(f)
	if errors.Is(err, errNoLocks) {
		free, err = true, nil
	}
	if err == nil && (!free || !t.means(t.partName, f)) {
		err = errInUse
	}
	if err != nil {
		f.Close()
		return err
	}
	t.part = f
	return nil
}

// means reports whether name is still that of f.
func (t *fileTarget) means(name string, f *os.File) bool {
	mine, err1 := f.Stat()
	named, err2 := t.dir.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(mine, named)
}

func (t *fileTarget) has(ctx context.Context, m *proto.Manifest) (string, error) {
	name := t.finalName(m)
	info, err := t.dir.Stat(name)
	switch {
	case err != nil:
		return "", nil
	case !info.Mode().IsRegular():
		return "", withCode(exitLocalIO, fmt.Errorf("%s is in the way: it is not a regular file", t.path(name)))
	case uint64(info.Size()) != m.Descriptor.Size:
		return "", nil
	}
	f, err := t.dir.Open(name)
	if err != nil {
		return "", nil
	}
	defer f.Close()
	sum, err := hash(ctx, f)
	if err != nil || sum != m.Descriptor.SHA256 {
		return "", nil
	}
	return t.path(name), nil
}

// hash reads r to its end, or until ctx ends.
func hash(ctx context.Context, r io.Reader) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(h, r, 1<<20)
	}
	if err == io.EOF {
		return [sha256.Size]byte(h.Sum(nil)), nil
	}
	return sum, errors.Join(err, ctx.Err())
}

func (t *fileTarget) finalName(m *proto.Manifest) string {
	if t.name != "" {
		return t.name
	}
	return m.Name
}

func (t *fileTarget) commit(_ context.Context, m *proto.Manifest) (string, error) {
	name := t.finalName(m)
	path := t.path(name)
	err := t.seal(name, int64(m.Descriptor.Size))
	if err == nil {
		err = t.dir.Rename(t.partName, name)
	}
	if err != nil {
		return "", withCode(exitLocalIO, fmt.Errorf("%s: %w", path, cause(err)))
	}
	t.part.Close() // not before: it is locked
	t.part = nil
	return path, withCode(exitLocalIO, syncDir(t.dir))
}

// seal gives the part its final size and mode, and makes it durable.
func (t *fileTarget) seal(name string, size int64) error {
	if !t.means(t.partName, t.part) {
		return errInUse
	}
	if info, err := t.dir.Stat(name); err == nil {
		if err := t.part.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := t.part.Truncate(size); err != nil {
		return err
	}
	return t.part.Sync()
}

// syncDir makes a rename durable. Systems that cannot sync a directory need no
// help with it.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	for _, cannot := range []error{errors.ErrUnsupported, fs.ErrPermission, syscall.EINVAL} {
		if errors.Is(err, cannot) {
			return nil
		}
	}
	return err
}

// discard removes the partial file, if it is still this process's.
func (t *fileTarget) discard() {
	if t.part == nil {
		return
	}
	if t.means(t.partName, t.part) {
		t.dir.Remove(t.partName)
	}
	t.part.Close()
	t.part = nil
}

func (t *fileTarget) close() {
	t.discard()
	t.dir.Close()
}

// A store is a receiver.Store in a file.
type store struct {
	*os.File
	discard func()
}

// Found implements [receiver.Store].
func (s store) Found() int64 { return 0 }

func (s store) Reserve(size int64) error {
	return cause(allocate(s.File, size))
}

// Sync also makes the reads that follow come from the disk, where it can.
func (s store) Sync() error {
	err := s.File.Sync()
	dropPages(s.File)
	return err
}

func (s store) Discard() error {
	s.discard()
	return nil
}
