// SPDX-License-Identifier: GPL-2.0-or-later

package samedir

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// An extent is a part of a file that is not a hole.
type extent struct{ start, end int64 }

type extents []extent

// bytes returns how many bytes are in no hole.
func (all extents) bytes() (n int64) {
	for _, x := range all {
		n += x.end - x.start
	}
	return n
}

func (all extents) String() string {
	return fmt.Sprintf("%d bytes of data in %d extents", all.bytes(), len(all))
}

// How many bytes of data a copy may have more or less than its original, beside some at the
// ends of each extent: file systems differ in their blocks.
const (
	dataTolerance   = 64 << 10
	extentTolerance = 8 << 10
)

// sameHoles reports whether files have the same bytes in holes, except for some.
func sameHoles(a, b extents) bool {
	more := a.bytes() - b.bytes()
	return max(more, -more) <= dataTolerance+extentTolerance*int64(min(len(a), len(b)))
}

// firstDifference returns the first byte in which two files differ in some extents; -1: none.
func firstDifference(a, b io.ReaderAt, within extents) (int64, error) {
	slices.SortFunc(within, func(x, y extent) int { return cmp.Compare(x.start, y.start) })
	var x, y []byte
	done := int64(0)
	for _, e := range within {
		for at := max(done, e.start); at < e.end; at = done {
			n := min(e.end-at, 1<<18)
			if n > int64(len(x)) {
				x, y = make([]byte, n), make([]byte, n)
			}
			if _, err := a.ReadAt(x[:n], at); err != nil && err != io.EOF {
				return -1, err
			}
			if _, err := b.ReadAt(y[:n], at); err != nil && err != io.EOF {
				return -1, err
			}
			if !bytes.Equal(x[:n], y[:n]) {
				i := int64(0)
				for x[i] == y[i] {
					i++
				}
				return at + i, nil
			}
			done = at + n
		}
	}
	return -1, nil
}
