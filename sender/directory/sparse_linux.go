// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"iotupd/proto/archive"
)

// extentsOf returns the extents of a file of size bytes; nil if it has no holes, or if the
// file system does not say where they are.
func extentsOf(f *os.File, size int64) ([]archive.Extent, error) {
	var all []archive.Extent
	for at := int64(0); at < size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO): // zeros up to the end
			return mergeExtents(all, uint64(size)), nil
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSUP):
			return nil, nil
		case err != nil:
			return nil, err
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		if end = min(end, size); start >= end { // it has become shorter
			break
		}
		all = append(all, archive.Extent{Offset: uint64(start), Length: uint64(end - start)})
		at = end
	}
	return mergeExtents(all, uint64(size)), nil
}
