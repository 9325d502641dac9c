// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"cmp"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

// partOf is the name of the partial file of an object in --dir.
func partOf(id byte) string { return "." + proto.ObjectID{id}.String() + PartSuffix }

func readAll(t *testing.T, s receiver.Store, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := s.ReadAt(b, 0)
	check(t, err)
	return string(b)
}

func TestTheNextRunContinuesFromThePartialFile(t *testing.T) {
	for _, name := range []string{"fw.bin", "", strings.Repeat("n", 255)} {
		d := to(t, name)
		d.receive("half of")
		d.Close()
		d = d.again(name)
		if got := readAll(t, d.openObject(1, 7), 7); got != "half of" {
			t.Errorf("got %q, want what was received", got)
		}
		_, err := d.Commit(t.Context(), objectOf("fw.bin", "half"))
		check(t, err)
		d.wantContent(cmp.Or(name, "fw.bin"), "half")
		d.wantFiles(cmp.Or(name, "fw.bin"))
	}
}

func TestNothingIsLeftOfATransferThatReceivedNothing(t *testing.T) {
	d := to(t, "fw.bin")
	d.openObject(1, 0)
	d.Close()
	d.wantFiles()

	d = d.again("fw.bin")
	check(t, d.receive("unwanted").Discard())
	d.Close()
	d.wantFiles()
}

func TestAnUnwantedObjectDoesNotCostThePartialFileOfAnEarlierRun(t *testing.T) {
	d := to(t, "fw.bin")
	d.receive("half of")
	d.Close()
	d = d.again("fw.bin")
	check(t, d.openObject(2, 7).Discard())
	d.Close()
	d.wantContent(".fw.bin.iotupd-part", "half of")
}

func TestDiscardingLeavesNothing(t *testing.T) {
	d := to(t, "fw.bin")
	write(t, filepath.Join(d.dir, "fw.bin"), "old")
	d.receive("forged, three times")
	d.Discard()
	d.wantContent("fw.bin", "old")
	d.wantFiles("fw.bin")
}

// Its bytes may be what fills the disk.
func TestAnObjectThatCouldNotBeWrittenGivesItsSpaceBack(t *testing.T) {
	for name, part := range map[string]string{"fw.bin": ".fw.bin.iotupd-part", "": partOf(1)} {
		d := to(t, name)
		broken := func(found int64) {
			s := d.openObject(1, found)
			_, err := s.WriteAt([]byte("content, and more"), 0)
			check(t, err)
			if _, err := s.WriteAt([]byte("content"), math.MaxInt64-1); err == nil {
				t.Fatal("a file may be of any size here")
			}
			check(t, s.Discard())
		}
		broken(0)
		d.wantFiles()

		d.receive("half of")
		d.Close()
		d = d.again(name)
		broken(7)
		d.wantContent(part, "content") // as many bytes as there were
		d.again(name).openObject(1, 7) // which another process may do now
	}
}

// What was received of an object serves the one that takes its place.
func TestAnotherObjectTakesThePartialFileOver(t *testing.T) {
	for name, part := range map[string]string{"fw.bin": ".fw.bin.iotupd-part", "": partOf(2)} {
		d := to(t, name)
		first := d.receive("version 1 of it")
		check(t, first.Discard())
		second := d.openObject(2, 15)
		d.wantFiles(part)
		if _, err := first.WriteAt([]byte("late"), 0); err == nil {
			t.Error("the object that was given up still writes")
		}
		if _, err := first.ReadAt(make([]byte, 1), 0); err == nil {
			t.Error("the object that was given up still reads")
		}
		if got := readAll(t, second, 15); got != "version 1 of it" {
			t.Errorf("got %q, want what was received of the other object", got)
		}
		_, err := second.WriteAt([]byte("version 2"), 0)
		check(t, err)
		_, err = d.Commit(t.Context(), objectOf("fw.bin", "version 2"))
		check(t, err)
		d.wantContent("fw.bin", "version 2")
		d.wantFiles("fw.bin")
	}
}

// Its own bytes are better than the bytes of the object that was given up.
func TestAnObjectPrefersItsOwnPartialFile(t *testing.T) {
	d := to(t, "")
	d.receive("version 1")
	d.Close()
	d = d.again("")
	check(t, d.openObject(2, 0).Discard())
	d.openObject(1, 9)
	d.wantFiles(partOf(1))
}

func TestWhatCannotBeContinuedIsReplaced(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, part, precious string)
	}{
		{"a symbolic link", func(t *testing.T, part, precious string) { symlink(t, precious, part) }},
		{"a file with another name", func(t *testing.T, part, precious string) {
			if runtime.GOOS == "windows" {
				t.Skip("links are not counted")
			}
			if err := os.Link(precious, part); err != nil {
				t.Skip("no links here: ", err)
			}
		}},
		{"a directory", func(t *testing.T, part, _ string) { check(t, os.Mkdir(part, 0o777)) }},
		{"a file of somebody else", func(t *testing.T, part, _ string) {
			write(t, part, "prepared")
			if err := os.Chown(part, 1, 1); err != nil {
				t.Skip("only root gives files away: ", err)
			}
		}},
		{"a file that may not be written", func(t *testing.T, part, _ string) {
			write(t, part, "sealed")
			check(t, os.Chmod(part, 0o444))
			if f, err := os.OpenFile(part, os.O_RDWR, 0); err == nil {
				f.Close()
				t.Skip("this user may write to every file")
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := to(t, "fw.bin")
			precious := filepath.Join(d.dir, "precious")
			write(t, precious, "precious")
			test.make(t, filepath.Join(d.dir, ".fw.bin.iotupd-part"), precious)
			d.receive("new")
			_, err := d.Commit(t.Context(), objectOf("", "new"))
			check(t, err)
			d.wantContent("precious", "precious")
			d.wantContent("fw.bin", "new")
			d.wantFiles("fw.bin", "precious")
		})
	}
}

func TestASecondReceiverOfTheSameTargetIsRefused(t *testing.T) {
	first := to(t, "fw.bin")
	first.receive("new")
	second := first.again("fw.bin")
	_, err := second.Open(proto.ObjectID{1}, proto.Params{})
	second.wantError(err, "another iotupd receives the same file")
	second.Close()
	first.wantFiles(".fw.bin.iotupd-part")
	_, err = first.Commit(t.Context(), objectOf("", "new"))
	check(t, err)
	first.wantContent("fw.bin", "new")
}

func TestOnlyTheOwnPartialFileIsRenamedOrRemoved(t *testing.T) {
	d := to(t, "fw.bin")
	d.receive("new")
	part := filepath.Join(d.dir, ".fw.bin.iotupd-part")
	check(t, os.Remove(part))
	write(t, part, "somebody else's")
	_, err := d.Commit(t.Context(), objectOf("", "new"))
	d.wantError(err, "was removed or replaced by another program")
	d.Discard()
	d.wantContent(".fw.bin.iotupd-part", "somebody else's")
	d.wantFiles(".fw.bin.iotupd-part")
}

func TestADirectoryIsSweptOfOldPartialFiles(t *testing.T) {
	living := to(t, "")
	living.receive("living")
	old := func(name string) {
		long := time.Now().Add(-keepParts - time.Hour)
		check(t, os.Chtimes(filepath.Join(living.dir, name), long, long))
	}
	for _, name := range []string{partOf(2), partOf(3), ".fw.bin.iotupd-part", partOf(2) + ".txt", ".old.iotupd-room", ".new.iotupd-room"} {
		write(t, filepath.Join(living.dir, name), "left behind")
	}
	for _, name := range []string{partOf(1), partOf(2), ".fw.bin.iotupd-part", partOf(2) + ".txt", ".old.iotupd-room"} {
		old(name)
	}
	living.again("").openObject(4, 0)
	living.wantFiles(partOf(1), partOf(3), partOf(4), ".fw.bin.iotupd-part", partOf(2)+".txt", ".new.iotupd-room")
	_, err := living.Commit(t.Context(), objectOf("sent.bin", "living"))
	check(t, err)
	living.wantContent("sent.bin", "living")
}

func TestReserveReportsAFullDiskAndFreesItsSpace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("space is reserved on Linux only")
	}
	d := to(t, "fw.bin")
	s := d.receive("content")
	err := s.Reserve(1 << 60)
	if err == nil || errors.As(err, new(*os.PathError)) {
		t.Fatalf("got %v, want that an exabyte is too much, without another path", err)
	}
	// The sizes: of what is wanted, and of what there is.
	want := regexp.MustCompile(`\.fw\.bin\.iotupd-part: .*: it needs 1048576\.0 TiB \(4 B of file, 1048576\.0 TiB of hashes\), and there is room for [1-9][0-9.]* [KMGT]iB$`)
	if !want.MatchString(err.Error()) {
		t.Errorf("got %q, want %v", err, want)
	}
	d.wantContent(".fw.bin.iotupd-part", "content")
	d.Close()
	d.wantFiles() // a disk that is full is not filled further
}

// Without hashes, a run cannot find out what an earlier one received.
func TestNothingIsLeftOfAnObjectWithoutHashes(t *testing.T) {
	d := to(t, "fw.bin")
	s, err := d.Open(proto.ObjectID{1}, proto.Params{Size: 9})
	check(t, err)
	check(t, s.Reserve(9))
	_, err = s.WriteAt([]byte("half of"), 0)
	check(t, err)
	d.Close()
	d.wantFiles()
}

// An error names the file as it is called now.
func TestAnErrorOfThePartialFileNamesItsPlace(t *testing.T) {
	d := to(t, "")
	check(t, d.receive("version 1").Discard())
	s := d.openObject(2, 9)
	check(t, d.part.file.Close())
	_, err := s.WriteAt([]byte("version 2"), 0)
	if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(d.dir, partOf(2))+": ") || strings.Contains(err.Error(), partOf(1)) {
		t.Errorf("got %v, want the name of %s and no other", err, partOf(2))
	}
}

func TestAPartialFileThatSomebodyHasCutIsNamed(t *testing.T) {
	d := to(t, "fw.bin")
	s := d.receive("content")
	check(t, d.Check())
	check(t, os.Truncate(filepath.Join(d.dir, ".fw.bin.iotupd-part"), 3))
	want := filepath.Join(d.dir, ".fw.bin.iotupd-part") + ": was truncated by another program while it was written"
	d.wantError(d.Check(), want)
	if _, err := s.ReadAt(make([]byte, 7), 0); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err := d.Commit(t.Context(), objectOf("", "content"))
	d.wantError(err, want)
}
