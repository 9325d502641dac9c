// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver/filestore"
)

// A hookNote is a small file beside a target, there from before the file is put
// into place until the command of --exec has succeeded for it. By it, the next
// run knows that the command failed, or was cut off by a signal or a power cut.
// It is not trusted with more than that: the command is run for a file whose
// content has been verified.
type hookNote struct {
	dir      *os.Root
	name     string
	manifest *proto.Manifest // of the file
}

const noteSuffix = ".iotupd-exec"

// note returns the note for the file of m; nil if there is no command to run.
func (v *recvView) note(t filestore.Target, m *proto.Manifest) *hookNote {
	files, ok := t.(*filestore.FileTarget)
	if v.opts.exec == "" || !ok {
		return nil
	}
	dir, name := files.Beside(m)
	return &hookNote{dir: dir, name: "." + name + noteSuffix, manifest: m}
}

// text is the content of the note.
func (n *hookNote) text() string { return hex.EncodeToString(n.manifest.Descriptor.SHA256[:]) + "\n" }

// write makes the note, and makes it durable. Nil does nothing.
func (n *hookNote) write() error {
	if n == nil {
		return nil
	}
	err := n.dir.Remove(n.name) // a link, or a file of somebody else
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	var f *os.File
	if err == nil {
		f, err = n.dir.OpenFile(n.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err == nil {
		_, err = f.WriteString(n.text())
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("%s: %w", filepath.Join(n.dir.Name(), n.name), durable.Cause(err)))
	}
	return nil // durable with the rename that follows
}

// there reports whether the command has not succeeded for the file yet.
func (n *hookNote) there() bool {
	if n == nil {
		return false
	}
	if info, err := n.dir.Lstat(n.name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := n.dir.Open(n.name)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(n.text()))+1))
	return err == nil && string(b) == n.text()
}

// remove ends the note: the command has succeeded.
func (n *hookNote) remove() error {
	if n == nil {
		return nil
	}
	err := n.dir.Remove(n.name)
	if errors.Is(err, fs.ErrNotExist) { // the command may have moved all
		return nil
	}
	if err != nil {
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("%s: the command of --exec has succeeded, but will run again: %w", filepath.Join(n.dir.Name(), n.name), durable.Cause(err)))
	}
	return nil
}
