// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import "iotupd/proto"

// ofDirectory reports whether o is the archive or the inventory of a directory. A sender of
// one directory numbers the packets of both together (spec.md 6.7).
func (o *Object) ofDirectory() bool {
	return o.Manifest != nil && (o.Manifest.IsArchive() || o.Manifest.Archive != proto.ObjectID{})
}

// InventoryOf returns the inventory of a directory whose archive o is; nil if o is not an
// archive, or if no packet of the inventory was heard.
func (m *Monitor) InventoryOf(o *Object) *Object {
	if o.Manifest == nil || !o.Manifest.IsArchive() {
		return nil
	}
	id := objectID{o.Manifest.Inventory.Object(), o.Sealed}
	if o.Sealed {
		id.id = m.groupKey.Object(id.id)
	}
	return m.byID[id]
}

// Listing returns the objects without the inventories of archives among them.
func (m *Monitor) Listing() (all []*Object) {
	inventories := make(map[*Object]bool)
	for _, o := range m.Objects {
		inventories[m.InventoryOf(o)] = true
	}
	for _, o := range m.Objects {
		if !inventories[o] {
			all = append(all, o)
		}
	}
	return all
}
