// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// A set is a collection in a directory of its own, and its targets.
type set struct {
	*delivery
	*Collection
}

func collect(t *testing.T, open int) *set {
	t.Helper()
	return (&set{delivery: &delivery{T: t, dir: t.TempDir()}}).again(open)
}

// again is a new collection in the same directory.
func (s *set) again(open int) *set {
	s.Helper()
	c := NewCollection(s.delivery.dir, open)
	check(s.T, c.Prepare())
	s.T.Cleanup(c.Close)
	return &set{delivery: &delivery{T: s.T, dir: s.delivery.dir}, Collection: c}
}

// target returns one target more. The verbs of the delivery are about it.
func (s *set) target() *delivery {
	s.Helper()
	d := &delivery{T: s.T, dir: s.delivery.dir, FileTarget: s.Target()}
	check(s.T, d.Prepare())
	s.T.Cleanup(d.Close)
	return d
}

// allPartOf is the name of the partial file of an object in a collection.
func allPartOf(id byte) string { return "." + proto.ObjectID{id}.String() + ".all.iotupd-part" }

// descriptors counts the open files below a directory; -1: they cannot be counted here.
func descriptors(dir string) (n int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

// inMemory returns a directory where syncing takes no time, if there is one.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "iotupd-test-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestManyFilesAreReceivedWithFewDescriptors(t *testing.T) {
	const files, open, piece, pieces = 2000, 16, 100, 4
	s := (&set{delivery: &delivery{T: t, dir: inMemory(t)}}).again(open)
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("%0*d", piece, i), pieces) }
	targets, stores := make([]*FileTarget, files), make([]receiver.Store, files)
	for i := range files {
		targets[i] = s.Target()
		check(t, targets[i].Prepare())
		id := proto.ObjectID{}
		binary.BigEndian.PutUint32(id[:], uint32(i))
		store, err := targets[i].Open(id, proto.Params{Size: piece * pieces})
		check(t, err)
		check(t, store.Reserve(piece*pieces+50)) // with hashes
		stores[i] = store
	}
	most := 0
	for at := 0; at < piece*pieces; at += piece {
		for i, store := range stores {
			_, err := store.WriteAt([]byte(content(i)[at:at+piece]), int64(at))
			check(t, err)
			if i%100 == 0 {
				most = max(most, descriptors(s.delivery.dir))
			}
		}
	}
	for i, target := range targets {
		m := objectOf(fmt.Sprintf("file-%d", i), content(i))
		if path, err := target.Has(t.Context(), m); path != "" || err != nil {
			t.Fatalf("file %d is there already: %q, %v", i, path, err)
		}
		_, err := target.Commit(t.Context(), m)
		check(t, err)
		if i%100 == 0 {
			most = max(most, descriptors(s.delivery.dir))
		}
		target.Close()
	}
	if most > open+2 { // the directory and its lock
		t.Errorf("%d descriptors were open, want %d for partial files, and two", most, open)
	}
	s.Collection.Close()
	entries, err := os.ReadDir(s.delivery.dir)
	check(t, err)
	if len(entries) != files {
		t.Errorf("got %d files, want %d", len(entries), files)
	}
	for i := range files {
		s.wantContent(fmt.Sprintf("file-%d", i), content(i))
	}
	if n := descriptors(s.delivery.dir); n > 0 {
		t.Errorf("%d descriptors are left", n)
	}
}

// openParts counts the partial files that are open. Descriptors cannot be counted while
// others open files.
func openParts(c *Collection) int {
	p := c.dir.parts
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.recent.Len(), p.open)
}

func TestFilesOfACollectionAreWrittenByManyAtOnce(t *testing.T) {
	const files, open, size, step = 20, 3, 2000, 20
	s := collect(t, open)
	random := rand.New(rand.NewPCG(1, 2))
	var stores []receiver.Store
	for i := range files {
		store := s.target().openObject(byte(i), 0)
		check(t, store.Reserve(size))
		stores = append(stores, store)
	}
	var writers sync.WaitGroup
	for range 8 {
		order := random.Perm(files * size / step)
		writers.Go(func() {
			b := make([]byte, step)
			for n, k := range order {
				store, at := stores[k%files], int64(k/files*step)
				for j := range b {
					b[j] = byte(k % files)
				}
				if _, err := store.WriteAt(b, at); err != nil {
					t.Error(err)
				}
				if n%1000 == 0 && store.Sync() != nil {
					t.Error("a file cannot be synced")
				}
				if got := openParts(s.Collection); got > open {
					t.Errorf("%d partial files are open", got)
				}
			}
		})
	}
	writers.Wait()
	for i, store := range stores {
		if got, want := readAll(t, store, size), strings.Repeat(string(rune(byte(i))), size); got != want {
			t.Errorf("file %d has other content", i)
		}
	}
}

func TestASecondCollectionInTheSameDirectoryIsRefused(t *testing.T) {
	first := collect(t, 4)
	second := NewCollection(first.delivery.dir, 4)
	for _, err := range []error{second.Prepare(), second.Target().Prepare()} {
		first.wantError(err, "directory "+first.delivery.dir+": another iotupd receives all files into it")
		if !errors.Is(err, ErrInUse) {
			t.Errorf("%v is not ErrInUse", err)
		}
	}
	second.Close()
	first.wantFiles(lockName)
	check(t, first.Prepare()) // once more
	first.Collection.Close()
	first.Collection.Close()
	first.wantFiles()
	check(t, second.Prepare())
	second.Close()
	first.wantFiles()
}

func TestTheLockOfAKilledProcessIsTaken(t *testing.T) {
	s := collect(t, 4)
	s.Collection.Close()
	write(t, filepath.Join(s.delivery.dir, lockName), "")
	s = s.again(4)
	s.Collection.Close()
	s.wantFiles()
}

func TestACollectionContinuesFromPartialFiles(t *testing.T) {
	s := collect(t, 1)
	for id := range byte(3) {
		d := s.target()
		store := d.openObject(id, 0)
		check(t, store.Reserve(7))
		_, err := store.WriteAt([]byte("half of"), 0)
		check(t, err)
		d.Close()
	}
	s.Collection.Close()
	s.wantFiles(allPartOf(0), allPartOf(1), allPartOf(2))
	s = s.again(1)
	for id := range byte(3) {
		d := s.target()
		if got := readAll(t, d.openObject(id, 7), 7); got != "half of" {
			t.Errorf("got %q, want what was received", got)
		}
		_, err := d.Commit(t.Context(), objectOf(fmt.Sprint(id), "half"))
		check(t, err)
		d.Close()
	}
	s.Collection.Close()
	s.wantFiles("0", "1", "2")
}

func TestNothingIsLeftOfFilesOfACollectionThatReceivedNothing(t *testing.T) {
	s := collect(t, 1)
	untouched, unwanted, discarded := s.target(), s.target(), s.target()
	untouched.openObject(1, 0)
	check(t, unwanted.openObject(2, 0).Discard())
	check(t, discarded.openObject(3, 0).Reserve(7))
	discarded.Discard()
	untouched.Close()
	unwanted.Close()
	s.wantFiles(lockName)
}

func TestACollectionIsSweptOnceOfOldPartialFiles(t *testing.T) {
	s := collect(t, 1)
	s.Collection.Close()
	living := s.delivery.again("")
	living.receive("living")
	leave := func(names ...string) {
		for _, name := range names {
			path, long := filepath.Join(s.delivery.dir, name), time.Now().Add(-keepParts-time.Hour)
			if name != partOf(1) {
				write(t, path, "left behind")
			}
			check(t, os.Chtimes(path, long, long))
		}
	}
	leave(partOf(1), partOf(2), allPartOf(2), ".fw.bin.iotupd-part", allPartOf(2)+".txt", ".x.all.iotupd-part", ".old.iotupd-room")
	write(t, filepath.Join(s.delivery.dir, allPartOf(3)), "left behind")
	s = s.again(1)
	kept := []string{partOf(1), allPartOf(3), ".fw.bin.iotupd-part", allPartOf(2) + ".txt", ".x.all.iotupd-part", lockName}
	s.wantFiles(kept...)
	leave(allPartOf(4))
	s.target().openObject(5, 0)
	s.wantFiles(append(kept, allPartOf(4), allPartOf(5))...)

	// The files of the collection have no locks of their own.
	leave(allPartOf(5))
	living.again("").openObject(6, 0)
	s.wantFiles(append(kept, allPartOf(4), allPartOf(5), partOf(6))...)
}

func TestAnObjectIsReceivedIntoADirectoryAloneAndWithOthersAtOnce(t *testing.T) {
	s := collect(t, 4)
	alone, among := s.delivery.again(""), s.target()
	alone.receive("content")
	among.receive("content")
	s.wantFiles(partOf(1), allPartOf(1), lockName)
	for _, d := range []*delivery{alone, among} {
		_, err := d.Commit(t.Context(), objectOf("sent.bin", "content"))
		check(t, err)
	}
	s.wantFiles("sent.bin", lockName)
}

func TestAPartialFileOfACollectionThatSomebodyRemovesOrReplacesIsNotOpenedAgain(t *testing.T) {
	// again makes a file that may have the number of the one that it replaces.
	again := func(part string) {
		born := birth(t, part)
		for first := true; first || birth(t, part) == born && !born.IsZero(); first = false {
			check(t, os.Remove(part))
			write(t, part, "somebody else's")
		}
	}
	changes := map[string]func(part, other string){
		"made again": func(part, _ string) { again(part) },
		"removed":    func(part, _ string) { check(t, os.Remove(part)) },
		"replaced by another file": func(part, other string) {
			write(t, other, "somebody else's")
			check(t, os.Rename(other, part))
		},
		"replaced by a directory": func(part, _ string) { check(t, os.Remove(part)); check(t, os.Mkdir(part, 0o777)) },
		"replaced by a link": func(part, other string) {
			write(t, other, "somebody else's")
			check(t, os.Remove(part))
			symlink(t, filepath.Base(other), part)
		},
	}
	for name, change := range changes {
		s := collect(t, 1)
		d := s.target()
		store := d.receive("content")
		s.target().openObject(2, 0) // closes it
		part, other := filepath.Join(d.dir, allPartOf(1)), filepath.Join(d.dir, "other")
		change(part, other)
		_, read := store.ReadAt(make([]byte, 7), 0)
		_, written := store.WriteAt([]byte("content"), 0)
		_, committed := d.Commit(t.Context(), objectOf("sent.bin", "content"))
		want := part + ": was removed or replaced by another program while it was written"
		errs := []error{read, written, store.Sync(), committed}
		if name != "made again" { // Check does not open the file
			errs = append(errs, d.Check())
		}
		for _, err := range errs {
			if err == nil || err.Error() != want || !Lost(err) {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
		}
		d.Discard()
		if content, err := os.ReadFile(other); err == nil && string(content) != "somebody else's" {
			t.Errorf("%s: the other file holds %q", name, content)
		}
		if name == "replaced by another file" || name == "made again" {
			s.wantContent(allPartOf(1), "somebody else's")
		}
		s.Collection.Close()
	}
}

func birth(t *testing.T, path string) time.Time {
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	born, _ := durable.Birth(f)
	return born
}

func TestAPartialFileOfACollectionThatSomebodyCutsIsNamed(t *testing.T) {
	s := collect(t, 1)
	d := s.target()
	store := d.receive("content")
	s.target().openObject(2, 0) // closes it
	check(t, d.Check())
	check(t, os.Truncate(filepath.Join(d.dir, allPartOf(1)), 3))
	for _, err := range []error{d.Check(), func() error { _, err := store.ReadAt(make([]byte, 7), 0); return err }()} {
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("got %v, want ErrTruncated", err)
		}
	}
}

func TestTwoObjectsOfACollectionDoNotReplaceEachOther(t *testing.T) {
	s := collect(t, 4)
	write(t, filepath.Join(s.delivery.dir, "kept.bin"), "kept")
	kept, first, second := s.target(), s.target(), s.target()
	path, err := kept.Has(t.Context(), objectOf("kept.bin", "kept"))
	if path == "" || err != nil {
		t.Fatalf("got %q, %v", path, err)
	}
	commit := func(d *delivery, id byte, name, content string) error {
		store := d.openObject(id, 0)
		check(t, store.Reserve(int64(len(content))+9))
		_, err := store.WriteAt([]byte(content+" and hash"), 0)
		check(t, err)
		_, err = d.Commit(t.Context(), objectOf(name, content))
		return err
	}
	check(t, commit(first, 1, "sent.bin", "first"))
	if path, err := second.Has(t.Context(), objectOf("sent.bin", "first")); path == "" || err != nil {
		t.Errorf("got %q, %v of a file with the same content, want its path", path, err)
	}
	for id, name := range map[byte]string{2: "sent.bin", 3: "kept.bin"} {
		want := filepath.Join(s.delivery.dir, name) + ": another object that is received here has the same name"
		_, err := second.Has(t.Context(), objectOf(name, "second"))
		for _, err := range []error{err, commit(second, id, name, "second")} {
			if second.wantError(err, want); !errors.As(err, new(*TakenError)) {
				t.Errorf("%v is not a TakenError", err)
			}
		}
		s.wantContent("."+proto.ObjectID{id}.String()+".all"+PartSuffix, "second and hash") // as before
		second.Discard()
	}
	s.wantContent("sent.bin", "first")
	s.wantContent("kept.bin", "kept")
	check(t, commit(first, 4, "sent.bin", "the next release of the first"))
	s.wantContent("sent.bin", "the next release of the first")
}

func TestOfTwoObjectsThatGetOneNameAtOnceOneIsKept(t *testing.T) {
	for range 20 {
		s := collect(t, 4)
		errs := make(chan error, 4)
		for id := range byte(4) {
			d := s.target()
			store := d.openObject(id, 0)
			check(t, store.Reserve(4))
			go func() {
				_, err := d.Commit(t.Context(), objectOf("sent.bin", "four"))
				errs <- err
			}()
		}
		good := 0
		for range 4 {
			if err := <-errs; err == nil {
				good++
			} else if !errors.As(err, new(*TakenError)) {
				t.Error(err)
			}
		}
		if good != 1 {
			t.Fatalf("%d of four objects are called sent.bin", good)
		}
	}
}

// The file system says whether two names are one: here it is a second link of one file.
func TestNamesThatAreOneToTheFileSystemAreOne(t *testing.T) {
	s := collect(t, 4)
	first, second := s.target(), s.target()
	first.receive("first")
	_, err := first.Commit(t.Context(), objectOf("FW.bin", "first"))
	check(t, err)
	if err := os.Link(filepath.Join(s.delivery.dir, "FW.bin"), filepath.Join(s.delivery.dir, "fw.bin")); err != nil {
		t.Skip("no links here, or no difference between small and capital letters: ", err)
	}
	_, err = second.Has(t.Context(), objectOf("fw.bin", "second"))
	second.wantError(err, "fw.bin: to this file system it is the name of FW.bin, which is another object that is received here")
}

func TestACollectionNeedsADirectory(t *testing.T) {
	dir := t.TempDir()
	d := &delivery{T: t, dir: dir}
	write(t, filepath.Join(dir, "file"), "")
	d.wantError(NewCollection(filepath.Join(dir, "missing"), 1).Prepare(), "does not exist; make it first")
	d.wantError(NewCollection(filepath.Join(dir, "file"), 1).Prepare(), "not a directory")
	precious := filepath.Join(dir, "file")
	symlink(t, "file", filepath.Join(dir, lockName))
	c := NewCollection(dir, 0)
	check(t, c.Prepare())
	c.Close()
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	d.wantFiles("file")
}

func TestFilesOfACollectionAreClosedWhenItIs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("descriptors are counted on Linux only")
	}
	s := collect(t, 4)
	d := s.target()
	store := d.receive("content")
	s.Collection.Close()
	if n := descriptors(s.delivery.dir); n != 0 {
		t.Errorf("%d descriptors are open", n)
	}
	if _, err := store.WriteAt([]byte("content"), 0); err == nil {
		t.Error("a closed collection is written to")
	}
	d.Close()
	s.wantFiles(allPartOf(1))
}
