// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"

	"iotupd/proto"
)

// pairInventories finds the archive of each inventory (spec.md 6.7). An archive and its
// inventory count as one object.
func (s *Sender) pairInventories(members []Member) error {
	numbers := make(map[proto.ObjectID]int)
	for i, m := range members {
		s.carousels[i].pair = -1
		if m.Manifest.IsArchive() {
			numbers[m.Manifest.Descriptor.Object()] = i
		}
	}
	for i, m := range members {
		if m.Manifest.Archive == (proto.ObjectID{}) {
			continue
		}
		archive, ok := numbers[m.Manifest.Archive]
		if !ok || members[archive].Manifest.Inventory != m.Manifest.Descriptor {
			return fmt.Errorf("sender: an inventory of object %v, which is not sent with it", m.Manifest.Archive)
		}
		s.carousels[i].pair, s.carousels[i].inventory = archive, true
		s.carousels[archive].pair = i
	}
	for _, i := range numbers {
		if s.carousels[i].pair < 0 {
			return fmt.Errorf("sender: %q without its inventory", members[i].Manifest.Name)
		}
	}
	if s.catalogue >= 0 && len(numbers) > 0 {
		return fmt.Errorf("sender: %q, a directory, cannot be sent with a catalogue", members[s.catalogue].Manifest.Name)
	}
	return nil
}

// listed returns how many objects there are without inventories.
func (s *Sender) listed() (n int) {
	for i := range s.carousels {
		if !s.carousels[i].inventory {
			n++
		}
	}
	return n
}

// listedAs returns the number of the object that a receiver chooses: for an inventory, the
// number of its archive.
func (s *Sender) listedAs(object int) int {
	if c := &s.carousels[object]; c.inventory {
		return c.pair
	}
	return object
}
