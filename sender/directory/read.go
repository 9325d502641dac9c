// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"iotupd/proto/archive"
)

// ReadAt implements [io.ReaderAt]: it reads the archive. Errors are of type
// [*filesource.FileError] and [*filesource.ChangedError], or [io.EOF].
func (d *Directory) ReadAt(b []byte, offset int64) (int, error) { return d.reader.ReadAt(b, offset) }

// readContent reads content of entry i, and checks that it has not changed. A check after the
// read is enough: whatever has changed before it shows.
func (d *Directory) readContent(i int, b []byte, offset int64) (int, error) {
	f, err := d.files.acquire(i)
	if err != nil {
		return 0, err
	}
	defer d.files.release(f)
	n, err := readerOf(f).ReadAt(b, offset)
	if changed := d.unchanged(f); changed != nil {
		return 0, changed
	}
	if err != nil && err != io.EOF {
		err = d.failure(f.path, err)
	}
	return n, err
}

// Unchecked returns the archive without a check at each read, for those who read it in small
// parts and call [Directory.Check] afterwards.
func (d *Directory) Unchecked() io.ReaderAt {
	return &archive.Reader{Inventory: d.inventory, Content: func(i int, b []byte, offset int64) (int, error) {
		f, err := d.files.acquire(i)
		if err != nil {
			return 0, err
		}
		defer d.files.release(f)
		return readerOf(f).ReadAt(b, offset)
	}}
}

// Key identifies the content of the archive for a cache. The inventory determines it.
func (d *Directory) Key() (key string, changed time.Time, err error) {
	sum := sha256.Sum256(d.inventory.Bytes())
	return "inventory " + hex.EncodeToString(sum[:]), time.Time{}, nil
}
