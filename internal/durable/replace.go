// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace makes the file called name in dir hold content, in one step: whatever
// happens, the old file is there or the new one. When it returns nil, the new
// one survives a power cut. The new file has the given mode whatever the umask,
// where the file system has modes.
func Replace(dir *os.Root, name string, content []byte, mode fs.FileMode) error {
	temporary := temporaryName()
	f, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	f.Chmod(mode) // it can only be wider than before: a failure has no effect
	if err = fill(f, content); err == nil {
		err = Rename(dir, temporary, name)
	}
	if err != nil {
		dir.Remove(temporary) // unless it was renamed
	}
	return err
}

// temporaryName returns the name of a file that exists for a moment. It is as short as
// names on some file systems must be.
func temporaryName() string { return ".iotupd-" + rand.Text()[:16] + ".tmp" }

// ReplaceFile is [Replace] for the file at path.
func ReplaceFile(path string, content []byte, mode fs.FileMode) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return Replace(dir, filepath.Base(path), content, mode)
}

// Create makes a new file called name in dir that holds content. The error wraps
// [fs.ErrExist] if there is one already, which is left alone. Any other failure
// leaves no file. When Create returns nil, the file survives a power cut. The
// umask applies to mode.
func Create(dir *os.Root, name string, content []byte, mode fs.FileMode) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err = fill(f, content); err == nil {
		err = SyncDir(dir)
	}
	if err != nil {
		dir.Remove(name)
	}
	return err
}

// CreateFile is [Create] for the file at path.
func CreateFile(path string, content []byte, mode fs.FileMode) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return Create(dir, filepath.Base(path), content, mode)
}

// fill writes content to f, makes it durable and closes f.
func fill(f *os.File, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Rename gives a file of dir, which the caller has synced, another name, and
// makes that durable. A file that has the name already is replaced in one step.
// Close the file first where the system renames no open file, as Windows does.
func Rename(dir *os.Root, from, to string) error {
	if err := dir.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(dir)
}
