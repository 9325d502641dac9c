// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"fmt"
	"strings"
)

// MaxInventoryBytes is the length of the longest inventory (spec.md 6.7).
const MaxInventoryBytes = 64 << 20

// ArchiveSuffix ends the name of the archive of a directory. The directory has the name
// without it.
const ArchiveSuffix = ".tar"

// IsArchive reports whether the object is the archive of a directory.
func (m *Manifest) IsArchive() bool { return m.Inventory != Descriptor{} }

// DirectoryName returns the name of the directory of which the object is the archive.
func (m *Manifest) DirectoryName() string { return strings.TrimSuffix(m.Name, ArchiveSuffix) }

// setInventory stores the descriptor of an inventory. The name has been read before.
func (m *Manifest) setInventory(value []byte) (err error) {
	d, err := ParseDescriptor(value)
	switch {
	case err != nil:
		return err
	case d.ShardSize != m.Descriptor.ShardSize || d.Size == 0 || d.Size > MaxInventoryBytes:
		return fmt.Errorf("%w: inventory of %d bytes in shards of %d", errManifest, d.Size, d.ShardSize)
	case d == m.Descriptor:
		return fmt.Errorf("%w: an object is its own inventory", errManifest)
	case !strings.HasSuffix(m.Name, ArchiveSuffix) || CheckName(m.DirectoryName()) != nil:
		return fmt.Errorf("%w: archive of a directory with the name %q", errManifest, m.Name)
	}
	m.Inventory = d
	return nil
}
