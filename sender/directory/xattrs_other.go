// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package directory

import (
	"errors"
	"os"

	"iotupd/proto/archive"
)

func xattrsOf(*os.Root, string) ([]archive.Xattr, error) {
	return nil, errors.New("extended attributes can be sent from Linux only; leave xattrs out of --preserve")
}
