// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"io"
	"math/rand/v2"
	"testing"

	"iotupd/proto/archive"
)

// Of a large file that has changed in places, the other blocks are in the seed, wherever the
// archive has them now, and nothing else.
func TestBlocksOfAChangedFileAreInTheSeed(t *testing.T) {
	content := make([]byte, 80*archive.BlockLen+1000)
	rand.NewChaCha8([32]byte{1}).Read(content)
	changed := append([]byte(nil), content...)
	for _, block := range []int{3, 4, 80} {
		changed[block*archive.BlockLen+500] ^= 1
	}
	longer := append(append([]byte(nil), content...), content[:1000]...)
	for name, test := range map[string]struct {
		now  []byte
		lack map[int]bool
	}{
		"changed": {changed, map[int]bool{3: true, 4: true, 80: true}},
		"longer":  {longer, map[int]bool{80: true}},
		"shorter": {content[:78*archive.BlockLen+7], map[int]bool{}}, // the start of a block is one
		"other":   {append([]byte("x"), content...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, Config{})
			r.receive(send(t, "tree", directory(""), file("image", string(content))))
			s := send(t, "tree", directory(""), file("before it", "moves the image"), file("image", string(test.now)))
			seed, err := r.Learn(r.Context(), s.m, s.inventory)
			check(t, err)
			inv, err := archive.Parse(s.inventory, 3)
			check(t, err)
			_, at := inv.Extent(2)
			for n := 0; n*archive.BlockLen < len(test.now); n++ {
				from, to := n*archive.BlockLen, min((n+1)*archive.BlockLen, len(test.now))
				b := make([]byte, to-from)
				got, err := seed.ReadAt(b, int64(at)+int64(from))
				switch want := test.lack != nil && !test.lack[n]; {
				case want != (got == len(b)):
					t.Errorf("block %d: %d bytes, %v", n, got, err)
				case got > 0 && string(b[:got]) != string(test.now[from:][:got]):
					t.Errorf("block %d is wrong", n)
				case !want && err == nil, !want && err == io.EOF:
					t.Errorf("block %d ends with %v", n, err)
				}
			}
			check(t, r.try(s))
			r.wantContent(r.in("tree"), s)
		})
	}
}
