// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"iotupd/proto/archive"
)

// Whatever an inventory says, and whatever is in the archive, nothing outside of the place
// changes, and nothing is left there after an error.
func FuzzReceive(f *testing.F) {
	for _, s := range []*sent{old(f), send(f, "tree", everything()...), send(f, "tree")} {
		f.Add(s.inventory, s.archive, uint16(0), byte(0))
		f.Add(s.inventory, s.archive, uint16(700), byte(1))
	}
	f.Fuzz(func(t *testing.T, inventory, content []byte, at uint16, change byte) {
		dir := t.TempDir()
		place := filepath.Join(dir, "place")
		check(t, os.Mkdir(place, 0o755))
		r := &receiver{TB: t, Place: Open(place, Config{MaxEntries: 1000, MaxFile: 1 << 20})}
		check(t, r.Prepare())
		defer openAll(place)
		defer r.Close()
		s := objectsOf("tree", inventory, fit(inventory, content, at, change))
		err := r.try(s)
		entries, _ := os.ReadDir(dir)
		left, _ := os.ReadDir(place)
		if len(entries) != 1 || err != nil && len(left) != 0 || err == nil && len(left) != 2 {
			t.Fatalf("%v: there is %v, and in the place %v", err, entries, left)
		}
		if err == nil {
			r.wantHas(s, true)
		}
	})
}

// fit returns content for an inventory: its own headers where there are some, so that not
// only headers are refused, and one byte changed.
func fit(inventory, content []byte, at uint16, change byte) []byte {
	inv, err := archive.Parse(inventory, 1000)
	if err != nil || inv.ArchiveSize() > 1<<20 {
		return content
	}
	r := archive.Reader{Inventory: inv, Content: func(i int, b []byte, offset int64) (int, error) {
		_, start := inv.Extent(i)
		if from := start + uint64(offset); from < uint64(len(content)) {
			copy(b, content[from:])
		}
		return len(b), nil
	}}
	fitting := make([]byte, inv.ArchiveSize())
	r.ReadAt(fitting, 0)
	if bytes.HasPrefix(fitting, content[:min(len(content), len(fitting))]) {
		content = fitting
	}
	fitting[int(at)%len(fitting)] ^= change
	return fitting
}
