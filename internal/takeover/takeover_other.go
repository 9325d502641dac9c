// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package takeover

import (
	"os"

	"iotupd/internal/durable"
)

// move opens the file, to be copied: these systems cannot show that nobody else can
// write to it.
func move(from *os.Root, name string, _ *os.Root, _ string) (f *os.File, moved bool, err error) {
	if info, err := from.Lstat(name); err != nil {
		return nil, false, err
	} else if !info.Mode().IsRegular() {
		return nil, false, &os.PathError{Op: "open", Path: name, Err: durable.ErrNotRegular}
	}
	f, err = durable.OpenRegularIn(from, name, os.O_RDONLY)
	return f, false, err
}

// leased is not asked: nothing is moved.
func leased(*os.File) bool { return false }
