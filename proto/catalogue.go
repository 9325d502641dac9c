// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Limits of a catalogue (spec.md 6.6).
const (
	MaxCatalogue      = 1 << 16 // objects
	MaxCatalogueBytes = 64 << 20
)

// CatalogueMagic starts a catalogue.
const CatalogueMagic = "IUC1"

var errCatalogue = errors.New("proto: invalid catalogue")

// AppendCatalogue appends the catalogue of a set to b: the manifests of all objects, in
// the order of their ids (spec.md 6.6). All of them have shards of the same size, and no
// two are of the same object.
//
//	"IUC1" | for each object: length (2), manifest
func AppendCatalogue(b []byte, manifests []*Manifest) ([]byte, error) {
	start := len(b)
	all := slices.Clone(manifests)
	slices.SortFunc(all, compareObjects)
	b = append(b, CatalogueMagic...)
	for _, m := range all {
		enc := m.AppendTo(nil)
		if over := manifestIDLen + len(enc) - m.Descriptor.ShardSize; over > 0 {
			return b[:start], tooLong(over, m.Descriptor.ShardSize)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(enc)))
		b = append(b, enc...)
	}
	if _, err := ParseCatalogue(b[start:], uint32(len(all))); err != nil {
		return b[:start], err
	}
	return b, nil
}

// CatalogueLen returns the length in bytes of the catalogue of a set.
func CatalogueLen(manifests []*Manifest) (n int) {
	n = len(CatalogueMagic)
	var b []byte
	for _, m := range manifests {
		b = m.AppendTo(b[:0])
		n += 2 + len(b)
	}
	return n
}

// compareObjects orders manifests by the ids of their objects.
func compareObjects(a, b *Manifest) int {
	x, y := a.Descriptor.Object(), b.Descriptor.Object()
	return bytes.Compare(x[:], y[:])
}

// ParseCatalogue reads the catalogue of n objects. Signatures are not verified, neither
// of the catalogue nor of the manifests in it. Byte slices of the result alias b.
func ParseCatalogue(b []byte, n uint32) ([]*Manifest, error) {
	rest, ok := bytes.CutPrefix(b, []byte(CatalogueMagic))
	switch {
	case !ok:
		return nil, errCatalogue
	case n == 0 || n > MaxCatalogue || len(b) > MaxCatalogueBytes:
		return nil, fmt.Errorf("%w: %d objects in %d bytes", errCatalogue, n, len(b))
	case uint64(n)*(2+manifestFixedLen+1) > uint64(len(rest)):
		return nil, errCatalogue
	}
	all := make([]*Manifest, 0, n)
	for len(rest) > 0 {
		m, size, err := parseEntry(rest)
		switch {
		case err != nil:
			return nil, err
		case len(all) > 0 && compareObjects(all[len(all)-1], m) >= 0:
			return nil, fmt.Errorf("%w: the objects are not in order", errCatalogue)
		case len(all) > 0 && all[0].Descriptor.ShardSize != m.Descriptor.ShardSize:
			return nil, fmt.Errorf("%w: shards of %d and %d bytes", errCatalogue, all[0].Descriptor.ShardSize, m.Descriptor.ShardSize)
		case len(all) == int(n):
			return nil, fmt.Errorf("%w: more than %d objects", errCatalogue, n)
		}
		all, rest = append(all, m), rest[size:]
	}
	if len(all) != int(n) {
		return nil, fmt.Errorf("%w: %d objects of %d", errCatalogue, len(all), n)
	}
	return all, nil
}

// parseEntry reads the manifest at the start of b, and returns the length with that in
// front of it.
func parseEntry(b []byte) (m *Manifest, size int, err error) {
	if len(b) < 2 {
		return nil, 0, errCatalogue
	}
	size = 2 + int(binary.BigEndian.Uint16(b))
	if size > len(b) {
		return nil, 0, errCatalogue
	}
	if m, err = ParseManifest(b[2:size]); err != nil {
		return nil, 0, err
	}
	if m.Catalogue > 0 || m.Archive != (ObjectID{}) || manifestIDLen+size-2 > m.Descriptor.ShardSize {
		return nil, 0, errCatalogue
	}
	return m, size, nil
}
