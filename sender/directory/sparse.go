// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import "iotupd/proto/archive"

// leastHole is the length in bytes of the smallest hole that makes a file sparse. File
// systems differ in smaller ones, and the map of extents would be longer than the zeros.
const leastHole = 4096

// withoutSmallHoles returns the extents of a file of so many bytes with all holes filled that
// are shorter than least; nil if no hole is left.
func withoutSmallHoles(all []archive.Extent, size, least uint64) []archive.Extent {
	kept := make([]archive.Extent, 0, len(all))
	for _, x := range all {
		end := uint64(0)
		if n := len(kept); n > 0 {
			end = kept[n-1].Offset + kept[n-1].Length
		}
		switch gap := x.Offset - end; {
		case gap >= least:
			kept = append(kept, x)
		case len(kept) == 0:
			kept = append(kept, archive.Extent{Length: x.Offset + x.Length})
		default:
			kept[len(kept)-1].Length += gap + x.Length
		}
	}
	n := len(kept)
	if n > 0 && size-(kept[n-1].Offset+kept[n-1].Length) < least {
		kept[n-1].Length = size - kept[n-1].Offset
	}
	if n == 1 && kept[0].Offset == 0 && kept[0].Length == size {
		return nil
	}
	return kept
}

// mergeExtents fills the smallest holes, until there are not too many extents.
func mergeExtents(all []archive.Extent, size uint64) []archive.Extent {
	for least := uint64(leastHole); ; least *= 2 {
		if kept := withoutSmallHoles(all, size, least); len(kept) <= archive.MaxExtents {
			return kept
		}
	}
}
