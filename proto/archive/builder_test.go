// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"bytes"
	"errors"
	"testing"
)

// Hashes that are filled in later make the same inventory.
func TestHashesCanComeAfterAllEntries(t *testing.T) {
	all := samples()
	want, err := Append(nil, entriesOf(all))
	if err != nil {
		t.Fatal(err)
	}
	x := NewBuilder([]byte("before"))
	for i, s := range all {
		e := s.Entry
		e.SHA256 = [32]byte{}
		if err := x.Add(&e); err != nil || x.Len() != i+1 {
			t.Fatalf("entry %d: %d, %v", i, x.Len(), err)
		}
	}
	inv, err := x.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	size := inv.ArchiveSize()
	for i, s := range all {
		if s.Stored() > 0 {
			sum, _ := inv.Hashes(i)
			copy(sum, s.SHA256[:])
		}
	}
	if !bytes.Equal(inv.Bytes(), want) || inv.ArchiveSize() != size {
		t.Errorf("got %x\nwant %x", inv.Bytes(), want)
	}
}

func TestABuilderRefusesWhatAnInventoryCannotCarry(t *testing.T) {
	for name, entries := range map[string][]Entry{
		"none":         {},
		"not in order": {{Type: Directory}, {Path: "b", Type: File}, {Path: "a", Type: File}},
		"twice":        {{Type: Directory}, {Path: "b", Type: File}, {Path: "b", Type: File}},
		"in a file":    {{Type: Directory}, {Path: "b", Type: File}, {Path: "b/a", Type: File}},
		"dots":         {{Type: Directory}, {Path: "..", Type: File}},
	} {
		x := NewBuilder(nil)
		for i := range entries {
			if err := x.Add(&entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := x.Inventory(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
