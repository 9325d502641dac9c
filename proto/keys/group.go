// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"io"
	"os"

	"iotupd/proto/seal"
)

// ReadGroupKey reads the file of a group key, as iotupd keygen --group makes it.
// Errors name the file.
func ReadGroupKey(path string) (*seal.GroupKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, named(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1024)) // of a file of 65 bytes
	if err != nil {
		return nil, named(path, err)
	}
	key, err := seal.ParseKey(b)
	if err != nil {
		return nil, named(path, err)
	}
	return seal.NewGroupKey(key), nil
}
