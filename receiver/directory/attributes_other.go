// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package directory

import (
	"fmt"
	"os"
	"time"

	"iotupd/proto/archive"
)

// syncsEach says that each file is synced.
const syncsEach = true

func syncAll(*os.File) error { return nil }

// setTime sets the time of an entry unless it is a symbolic link.
func setTime(dir *os.Root, _ *os.File, name string, e *archive.Entry) error {
	if e.Type == archive.Symlink {
		return nil
	}
	t := time.Unix(e.Seconds, int64(e.Nanoseconds))
	return dir.Chtimes(name, t, t)
}

// setDirectoryTime sets the time of the directory at path.
func setDirectoryTime(root *os.Root, _ *os.File, path string, e *archive.Entry) error {
	t := time.Unix(e.Seconds, int64(e.Nanoseconds))
	return root.Chtimes(path, t, t)
}

func makeSpecial(_ *os.File, _ string, e *archive.Entry) error {
	return fmt.Errorf("a %v cannot be made on this system", e.Type)
}

func setXattrs(_ *os.File, e *archive.Entry) error {
	if len(e.Xattrs) > 0 {
		return fmt.Errorf("the extended attribute %q cannot be set on this system", e.Xattrs[0].Name)
	}
	return nil
}

func setXattrsAt(_ *os.File, _ string, e *archive.Entry) error { return setXattrs(nil, e) }
