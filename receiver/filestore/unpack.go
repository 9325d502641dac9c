// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"context"
	"errors"
	"io"

	"iotupd/proto"
)

// An Unpacker makes directories from archives (spec.md 6.7). Has may be called from any
// goroutine at any time.
type Unpacker interface {
	// Has returns the path of the directory of m if it is there with this very content,
	// otherwise no path. An error means that Commit could not succeed. The end of ctx
	// ends it.
	Has(ctx context.Context, m *proto.Manifest) (path string, err error)

	// Commit makes the directory of m from its archive, which has been verified, and
	// returns its path. When it returns nil, the directory survives a power cut. If
	// inspect is not nil, it is called with the path of the finished directory, before
	// that takes the place of the old one; Commit returns its error.
	Commit(ctx context.Context, m *proto.Manifest, archive io.ReaderAt, inspect func(path string) error) (path string, err error)

	// PathOf returns the path that the directory of m gets.
	PathOf(m *proto.Manifest) string
}

// Unpack makes a target of [Dir] or of a [Collection] hand archives of directories to u,
// which puts them into the same directory: their partial files are as those of files.
// Without it, an archive is a file as any other. Call it before Prepare.
func (t *FileTarget) Unpack(u Unpacker) { t.unpacker = u }

// unpacks reports whether the object of m becomes a directory.
func (t *FileTarget) unpacks(m *proto.Manifest) bool {
	return t.unpacker != nil && t.NeedsName() && m.IsArchive()
}

// hasDirectory is Has for a directory.
func (t *FileTarget) hasDirectory(ctx context.Context, m *proto.Manifest) (string, error) {
	name := t.finalName(m)
	if err := t.dir.names.free(t, name); err != nil {
		return "", err
	}
	path, err := t.unpacker.Has(ctx, m)
	if err != nil {
		return "", &Error{Path: t.dir.path(name), Err: err}
	}
	if path != "" {
		t.dir.names.take(t, name, func() error { return nil })
	}
	return path, nil
}

// commitDirectory is Commit for a directory. The partial file is removed last.
func (t *FileTarget) commitDirectory(ctx context.Context, m *proto.Manifest) (path string, err error) {
	name := t.finalName(m)
	if err := t.dir.names.reserve(t, name); err != nil {
		return "", newError(t.dir.path(name), err)
	}
	var refused error // by inspect
	inspect := t.inspect
	if inspect != nil {
		inspect = func(path string) error {
			refused = t.inspect(path)
			return refused
		}
	}
	f, err := t.part.acquire()
	if err == nil {
		path, err = t.unpacker.Commit(ctx, m, io.NewSectionReader(f, 0, int64(m.Descriptor.Size)), inspect)
		t.part.release()
	}
	switch {
	case err == nil:
		t.dir.names.take(t, name, func() error { return nil })
		t.Discard()
		return path, nil
	case refused == nil || !errors.Is(err, refused):
		err = &Error{Path: t.dir.path(name), Err: err}
	}
	t.dir.names.leave(t, name)
	return "", err
}

// exclusiveDirectory is Exclusive for a directory: nobody else can change what is directly
// in it, nor its mode.
func (t *FileTarget) exclusiveDirectory(name string) bool {
	d, err := t.dir.Open(name)
	if err != nil {
		return false
	}
	defer d.Close()
	info, err := d.Stat()
	return err == nil && info.IsDir() && (t.dir.fixed || !ownersOf(info).strangers())
}
