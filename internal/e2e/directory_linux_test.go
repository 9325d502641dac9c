// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"iotupd/internal/samedir"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// newTreeOfFiles makes a directory called maps with n files of up to 30,000 bytes, half of
// them small, and two large ones.
func newTreeOfFiles(t *testing.T, rnd *rand.Rand, n int) string {
	t.Helper()
	top := filepath.Join(newDir(t), "maps")
	for i := range n {
		size := 200 + rnd.IntN(2000)
		if i%2 == 0 {
			size = rnd.IntN(30_000)
		}
		writeRandom(t, rnd, filepath.Join(top, fmt.Sprintf("%02d", i%20), fmt.Sprintf("file %d", i)), size)
	}
	writeRandom(t, rnd, filepath.Join(top, "large"), 3*mib)
	writeRandom(t, rnd, filepath.Join(top, "image"), 2*mib)
	if err := os.Symlink("large", filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	return top
}

// changeInPlace changes some of a large file, and returns how many bytes.
func changeInPlace(t *testing.T, rnd *rand.Rand, path string) int {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 8*archive.BlockLen)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	if _, err := f.WriteAt(b, 10*archive.BlockLen); err != nil {
		t.Fatal(err)
	}
	return len(b)
}

func writeRandom(t *testing.T, rnd *rand.Rand, path string, size int) {
	t.Helper()
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// wantSameDirectory compares two directories with all attributes that are carried.
func wantSameDirectory(t *testing.T, got, want string) {
	t.Helper()
	_, all, err := samedir.Compare(want, got, samedir.Owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		t.Errorf("%v", d)
	}
}

// A directory arrives with all its attributes through 5 % loss, and an update of 1 % of its
// files takes at most 1.5 times the bytes that have changed, wherever the receiver joins.
func TestAnUpdateOfADirectoryTakesWhatHasChanged(t *testing.T) {
	t.Parallel()
	rnd := newRand(t)
	files := 300
	if full {
		files = 6000
	}
	top := newTreeOfFiles(t, rnd, files)
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	receiver.lose(5)
	out := newDir(t)
	first := sender.send(top, "--rate", "50M")
	r := receiver.start("recv", "-d", out)
	r.done()
	first.stop()
	wantSameDirectory(t, filepath.Join(out, "maps"), top)

	changed := 0
	for i := range max(1, files/100) {
		name := filepath.Join(top, fmt.Sprintf("%02d", i%20), fmt.Sprintf("file %d", i))
		changed += 5000
		writeRandom(t, rnd, name, 5000)
	}
	changed += changeInPlace(t, rnd, filepath.Join(top, "image"))
	for _, move := range [][2]string{{"07", "moved"}, {"large", "03/large"}} {
		if err := os.Rename(filepath.Join(top, move[0]), filepath.Join(top, move[1])); err != nil {
			t.Fatal(err)
		}
	}
	sender.send(top, "--rate", "50M", "--start", fmt.Sprintf("%d%%", 1+rnd.IntN(98)))
	r = receiver.start("recv", "-d", out)
	e := r.done()
	wantSameDirectory(t, filepath.Join(out, "maps"), top)
	received := int(e.Needed-e.Reused) * proto.DefaultShardSize
	t.Logf("%d bytes changed, %d received: %.2f times as many; of %d; %v packets were sent meanwhile", changed, received, float64(received)/float64(changed), e.Bytes, e.Sent)
	if limit := changed * 3 / 2; received > limit {
		t.Errorf("%d bytes received, want at most %d", received, limit)
	}
}
