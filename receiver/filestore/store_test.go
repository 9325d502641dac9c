// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"os"
	"testing"
)

func TestALargeFileIsWrittenBehindTheReceivedBytes(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &store{part: hold(f), size: largeFile}
	const piece = 8 << 20
	b := make([]byte, 4096) // the rest of each piece is a hole
	for end := int64(piece); end <= s.size; end += piece {
		if _, err := s.WriteAt(b, end-int64(len(b))); err != nil {
			t.Fatal(err)
		}
		if behind := end - s.began.Load(); behind < 0 || behind > 2*writingStep {
			t.Fatalf("at %d: %d bytes are not begun", end, behind)
		}
	}
	s.began.Store(0)
	if s.WriteAt(b, s.size); s.began.Load() != 0 { // behind the file
		t.Error("hash records count as bytes of the file")
	}
	small := &store{part: hold(f), size: largeFile - 1}
	if small.WriteAt(b, 100<<20); small.began.Load() != 0 {
		t.Error("a small file is written early")
	}
}
