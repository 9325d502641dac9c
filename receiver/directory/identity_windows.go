// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

func identityOf(d *os.File) (id identity, err error) {
	var info windows.ByHandleFileInformation
	err = windows.GetFileInformationByHandle(windows.Handle(d.Fd()), &info)
	id.inode = uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)
	made := info.CreationTime.Nanoseconds()
	id.birth = moment{made / 1e9, uint32(made % 1e9)}
	return id, err
}

// deviceOf knows nothing here.
func deviceOf(fs.FileInfo) uint64 { return 0 }
