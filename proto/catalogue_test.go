// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// setOf returns the manifests of n small objects.
func setOf(n int) (all []*Manifest) {
	for i := range n {
		all = append(all, &Manifest{
			Descriptor: Descriptor{Params: Params{Size: uint64(100 + i), Code: CodeLeopard8, K: 1, M: 1, ShardSize: 256}},
			Name:       fmt.Sprintf("file %d", i), Component: "firmware",
		})
	}
	return all
}

// spec.md 6.6: "in strictly ascending order of object ids".
func TestACatalogueListsManifestsInTheOrderOfTheirObjects(t *testing.T) {
	all := setOf(20)
	b, err := AppendCatalogue([]byte("before"), all)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCatalogue(b[len("before"):], 20)
	if err != nil || len(got) != 20 || !slices.IsSortedFunc(got, compareObjects) {
		t.Fatalf("%d objects, %v", len(got), err)
	}
	slices.Reverse(all)
	again, err := AppendCatalogue(nil, all)
	if err != nil || string(again) != string(b[len("before"):]) {
		t.Error("another catalogue of the same objects")
	}
	if _, err := AppendCatalogue(nil, append(all, all[3])); err == nil {
		t.Error("an object that comes twice was listed")
	}
}

// unchecked returns the catalogue of manifests that may be invalid.
func unchecked(all []*Manifest) []byte {
	b := []byte(CatalogueMagic)
	for _, m := range slices.SortedFunc(slices.Values(all), compareObjects) {
		enc := m.AppendTo(nil)
		b = binary.BigEndian.AppendUint16(b, uint16(len(enc)))
		b = append(b, enc...)
	}
	return b
}

// spec.md 6.6: "A receiver MUST refuse it as a whole".
func TestADamagedCatalogueIsRefused(t *testing.T) {
	whole, err := AppendCatalogue(nil, setOf(3))
	if err != nil {
		t.Fatal(err)
	}
	swapped := func() []byte {
		n := (len(whole) - len(CatalogueMagic)) / 3
		rest := whole[len(CatalogueMagic):]
		return slices.Concat(whole[:len(CatalogueMagic)], rest[n:2*n], rest[:n], rest[2*n:])
	}
	nested := setOf(2)
	nested[1].Name, nested[1].Catalogue = "", 7
	inventory := setOf(2)
	inventory[1].Name, inventory[1].Archive = "", ObjectID{1}
	other := setOf(2)
	other[1].Descriptor.ShardSize = 512
	if _, err := ParseCatalogue(unchecked(setOf(3)), 3); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		bytes []byte
		n     uint32
	}{
		"cut":             {whole[:len(whole)-1], 3},
		"too many":        {whole, 2},
		"too few":         {whole, 4},
		"none":            {whole[:4], 0},
		"a huge number":   {whole, 1<<32 - 1},
		"another magic":   {append([]byte("IUC2"), whole[4:]...), 3},
		"more bytes":      {append(slices.Clone(whole), 0), 3},
		"out of order":    {swapped(), 3},
		"nested":          {unchecked(nested), 2},
		"an inventory":    {unchecked(inventory), 2},
		"shards of sizes": {unchecked(other), 2},
	} {
		if _, err := ParseCatalogue(c.bytes, c.n); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func FuzzCatalogue(f *testing.F) {
	whole, err := AppendCatalogue(nil, setOf(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, uint32(3))
	f.Fuzz(func(t *testing.T, b []byte, n uint32) {
		all, err := ParseCatalogue(b, n)
		if err != nil {
			return
		}
		if again, err := AppendCatalogue(nil, all); err != nil || string(again) != string(b) {
			t.Errorf("a catalogue with a second encoding: %v", err)
		}
	})
}
