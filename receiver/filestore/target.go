// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// A Target is a place for received files, one after the other. Bytes that are not
// verified yet must never be mistaken for a file. Has may be called from any
// goroutine at any time, all other methods by one goroutine at a time.
type Target interface {
	// Prepare checks that a file can be put there, before the first packet arrives.
	// It is called before all other methods, and may be called again.
	Prepare() error
	// Open returns a store for the bytes of an object. It replaces the store of the
	// object before, which is not used any more.
	Open(proto.ObjectID, proto.Params) (receiver.Store, error)
	// Has returns the path of the file if it already has the content that m
	// describes, otherwise no path. An error means that Commit could not succeed.
	// The end of ctx ends it.
	Has(ctx context.Context, m *proto.Manifest) (path string, err error)
	// Commit turns the stored bytes, which have been verified, into the file of
	// m. It returns the path, which is empty if the target has no path. When it
	// returns nil, the file survives a power cut. The end of ctx ends a wait for
	// a slow reader.
	Commit(ctx context.Context, m *proto.Manifest) (path string, err error)
	// Discard deletes the stored bytes: a later run cannot use them.
	Discard()
	// Close frees all resources. Stored bytes that were not committed stay for the
	// next run, if the target can keep them. It may be called again.
	Close()
}

// A FileTarget is a [Target] in a directory. A file is received into a hidden partial
// file there, which another process that receives the same file cannot use, and
// renamed over the old file once it is verified. The new file gets the mode of the
// old one, and its owner as far as the system allows. Make one by [File] or [Dir].
type FileTarget struct {
	asked string                  // path of the file
	enter func() (*folder, error) // opens the directory, where that is what was asked for

	isDir    bool   // the directory was asked for
	sweeps   bool   // Open deletes old partial files
	tag      string // in names of partial files, after the object
	byObject bool   // files are named by their objects

	dir  *folder
	name string // empty: the manifest's

	withhold bool                        // see Withhold
	verified atomic.Pointer[fs.FileInfo] // of the file that Has or Commit has verified; nil: none

	inspect  func(path string) error // see Inspect
	unpacker Unpacker                // see Unpack; nil: none

	part   *part  // the hidden file, locked; nil: none
	made   bool   // this run made the hidden file
	store  *store // of the object in the hidden file
	placed atomic.Pointer[placed]
}

// File returns a target that replaces the file at path, or makes it. The name of the
// sent file does not matter. A symbolic link at path is followed, by Prepare, and stays:
// the file that it leads to is the one replaced. Nothing happens before Prepare, whose
// errors are of type [*TargetError] and [*Error].
func File(path string) *FileTarget { return &FileTarget{asked: path} }

// Dir returns a target that puts files into the directory at path, under the
// names that they are sent by. A symbolic link of such a name is not followed,
// since the sender does not know where it leads to: the file replaces the link.
// Nothing happens before Prepare, whose errors are of type [*Error]. Partial
// files in the directory that nobody has written to for a week are deleted.
func Dir(path string) *FileTarget { return inDir(path, false) }

// Objects returns a target that puts files into the directory at path, like [Dir], but
// under names that nobody can choose: see [ObjectName].
func Objects(path string) *FileTarget { return inDir(path, true) }

func inDir(path string, byObject bool) *FileTarget {
	enter := func() (*folder, error) { return openFolder(path) }
	return &FileTarget{isDir: true, enter: enter, sweeps: true, byObject: byObject}
}

// ObjectSuffix ends the names of files in [Objects].
const ObjectSuffix = ".file"

// ObjectName returns the name of the file of m in [Objects].
func ObjectName(m *proto.Manifest) string { return m.Descriptor.Object().String() + ObjectSuffix }

// Prepare opens the directory, and checks that a file can be put there, under its
// name if that is known. Symbolic links are followed now, so that the file that a
// link points to is the one replaced.
func (t *FileTarget) Prepare() (err error) {
	if t.dir != nil {
		return nil
	}
	if t.isDir {
		t.dir, err = t.enter()
		return err
	}
	path, err := whereToWrite(t.asked)
	if err != nil {
		return &TargetError{Path: t.asked, Err: err}
	}
	t.name = filepath.Base(path)
	if t.dir, err = openFolder(filepath.Dir(path)); err != nil {
		return err
	}
	err = t.dir.possible(t.name)
	if err == nil {
		err = t.dir.movable(t.hidden(t.name)) // an earlier run may have left it
	}
	if err != nil {
		t.dir.Close()
		t.dir = nil
	}
	return err
}

// whereToWrite returns the path to write to for a file at path.
func whereToWrite(path string) (string, error) {
	if path == "" || os.IsPathSeparator(path[len(path)-1]) {
		return "", ErrNamesDirectory
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return "", ErrIsDirectory
	case err == nil && !info.Mode().IsRegular():
		return "", ErrNotRegular
	case err == nil:
		path, err = filepath.EvalSymlinks(path)
	case errors.Is(err, fs.ErrNotExist):
		if _, e := os.Lstat(path); e == nil {
			return "", ErrDanglingLink
		}
		return path, nil
	}
	return path, durable.Cause(err)
}

// Has implements [Target]. It reads the whole file if the size is right. Errors are of
// type [*Error].
func (t *FileTarget) Has(ctx context.Context, m *proto.Manifest) (string, error) {
	if err := t.dir.check(); err != nil {
		return "", err
	}
	if t.unpacks(m) {
		return t.hasDirectory(ctx, m)
	}
	name := t.finalName(m)
	impossible := cmp.Or(t.dir.possible(name), t.dir.names.free(t, name))
	info, err := t.dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || uint64(info.Size()) != m.Descriptor.Size {
		return "", impossible
	}
	select {
	case t.dir.readers <- struct{}{}:
		defer func() { <-t.dir.readers }()
	case <-ctx.Done():
		return "", impossible
	}
	f, err := t.dir.Open(name)
	if err != nil {
		return "", impossible
	}
	defer f.Close()
	sum, err := hash(ctx, f)
	if err != nil || sum != m.Descriptor.SHA256 {
		return "", impossible
	}
	if info, err = f.Stat(); err == nil {
		t.verified.Store(&info)
	}
	t.dir.names.take(t, name, func() error { return nil }) // two objects may be one file
	return t.dir.path(name), nil
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

func (t *FileTarget) finalName(m *proto.Manifest) string {
	switch {
	case t.name != "":
		return t.name
	case t.byObject:
		return ObjectName(m)
	case t.unpacks(m):
		return m.DirectoryName()
	}
	return m.Name
}

// Commit implements [Target]. Errors are of type [*Error]; some are errors of
// Check. After an error the partial file is unchanged.
func (t *FileTarget) Commit(ctx context.Context, m *proto.Manifest) (string, error) {
	name, size := t.finalName(m), int64(m.Descriptor.Size)
	path := t.dir.path(name)
	if err := t.Check(); err != nil {
		return "", err
	}
	if t.unpacks(m) {
		return t.commitDirectory(ctx, m)
	}
	if err := cmp.Or(t.dir.replaceable(name), t.dir.names.free(t, name)); err != nil {
		return "", err // nothing has been changed
	}
	f, err := t.part.acquire()
	if err != nil {
		return "", newError(t.dir.path(t.part.name), err)
	}
	err = t.finish(f, name, size)
	t.part.release()
	if err != nil {
		return "", err
	}
	t.part.close() // not before: it is locked
	t.part = nil
	if err := durable.SyncDir(t.dir.Root); err != nil {
		return path, &Error{Path: path, Err: err}
	}
	return path, nil
}

// NeedsName reports whether the file gets the name in the manifest, so that the
// manifest must have one.
func (t *FileTarget) NeedsName() bool { return t.isDir && !t.byObject }

// HasName reports whether the name is known before a file is received.
func (t *FileTarget) HasName() bool { return t.name != "" }

// Beside returns the directory of the file of m, and a name for other files that
// belong to it: the name of the file or, where longer names do not fit, a short
// form of it. If the name of the target is known, m may be nil.
func (t *FileTarget) Beside(m *proto.Manifest) (dir *os.Root, name string) {
	if m == nil && t.name == "" {
		return t.dir.Root, ""
	}
	return t.dir.Root, t.dir.shorten(t.finalName(m))
}

// Inspect has Commit call a function with the path of the finished file, before it takes
// the place of the old one. If that returns an error, Commit returns it, and the partial
// file is what it was.
func (t *FileTarget) Inspect(inspect func(path string) error) { t.inspect = inspect }

// PathOf returns the path that the file of m gets.
func (t *FileTarget) PathOf(m *proto.Manifest) string { return t.dir.path(t.finalName(m)) }

// newError returns an Error of an operation of the system.
func newError(path string, err error) error {
	return &Error{Path: path, Err: fmt.Errorf("%s: %w", path, durable.Cause(err))}
}
