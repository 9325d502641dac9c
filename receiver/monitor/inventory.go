// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import (
	"time"

	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// maxInventories bounds the bytes of all inventories that are received.
const maxInventories = 64 << 20

// An inventory is being received to list what is in a directory (spec.md 6.7). The manifest
// of the archive names it, so that it needs no signature.
type inventory struct {
	beside
	store receiver.MemoryStore
	size  uint64
	read  *archive.Inventory // nil: not yet
}

// newInventory returns the inventory of an archive with manifest m.
func newInventory(m *proto.Manifest, groupKey *seal.GroupKey) *inventory {
	v := &inventory{size: m.Inventory.Size}
	v.beside = newBeside(receiver.Config{
		Object: m.Inventory.Object(), MaxSize: m.Inventory.Size,
		Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return &v.store, nil },
	}, groupKey)
	return v
}

// hear takes a datagram.
func (v *inventory) hear(now time.Time, from receiver.Origin, datagram []byte) {
	if ended, err := v.beside.hear(now, from, datagram); !ended || err != nil {
		return
	}
	b := make([]byte, v.size)
	v.store.ReadAt(b, 0)
	v.store = receiver.MemoryStore{}
	v.read, _ = archive.Parse(b, archive.MaxEntries) // one that is invalid lists nothing
}

// Inventory returns what is in a directory; nil if that is not known.
func (o *Object) Inventory() *archive.Inventory {
	if o.inventory == nil {
		return nil
	}
	return o.inventory.read
}

// hearInventories passes a datagram to the inventories that are received, and begins with the
// inventory of an archive that was heard for the first time.
func (m *Monitor) hearInventories(now time.Time, from receiver.Origin, datagram []byte) {
	if !m.Inventories {
		return
	}
	for _, o := range m.Objects {
		switch {
		case o.inventory != nil:
			o.inventory.hear(now, from, datagram)
		case o.Manifest != nil && o.Manifest.IsArchive() && m.inventoryBytes+o.Manifest.Inventory.Size <= maxInventories:
			m.inventoryBytes += o.Manifest.Inventory.Size
			o.inventory = newInventory(o.Manifest, m.groupKeyOf(o))
			o.inventory.hear(now, from, datagram)
		}
	}
}

// groupKeyOf returns the key that opens the packets of an object; nil: they are not sealed.
func (m *Monitor) groupKeyOf(o *Object) *seal.GroupKey {
	if o.Sealed {
		return m.groupKey
	}
	return nil
}
