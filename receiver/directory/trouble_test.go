// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"iotupd/proto/archive"
)

func TestTwoProcessesDoNotReceiveTheSameDirectory(t *testing.T) {
	a := newReceiver(t, Config{})
	b := &receiver{TB: t, Place: Open(a.Place.path, Config{})}
	check(t, b.Prepare())
	defer b.Close()
	_, err := a.Learn(t.Context(), old(t).m, old(t).inventory)
	check(t, err)
	_, err = b.Learn(t.Context(), recent(t).m, recent(t).inventory)
	if b.wantError(err, "another iotupd receives the same directory"); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	b.receive(send(t, "another", file("x", "y"))) // which has nothing to do with it
	_, err = a.Commit(t.Context(), old(t).m, bytes.NewReader(old(t).archive), nil)
	check(t, err)
	b.receive(recent(t)) // the lock is free again
	b.wantFiles("another", "tree")
	b.wantContent(b.in("tree"), recent(t))
}

// Another release of the same directory, while the first one is still received, takes over.
func TestALaterReleaseTakesOver(t *testing.T) {
	r := newReceiver(t, Config{})
	seed, err := r.Learn(t.Context(), old(t).m, old(t).inventory)
	check(t, err)
	r.receive(recent(t))
	if n, err := seed.ReadAt(make([]byte, 100), 512); n != 100 || err != nil {
		t.Errorf("headers are known all the same: %d, %v", n, err)
	}
	_, err = r.Commit(t.Context(), old(t).m, bytes.NewReader(old(t).archive), nil)
	r.wantError(err, "its inventory is unknown")
	r.wantContent(r.in("tree"), recent(t))
}

// The check before replacing sees the whole new directory, and its error keeps the old one.
func TestTheNewDirectoryIsInspectedBeforeItTakesThePlace(t *testing.T) {
	for _, link := range []bool{false, true} {
		r := newReceiver(t, Config{Link: link})
		r.receive(old(t))
		no := errors.New("no")
		s := recent(t)
		_, err := r.Learn(t.Context(), s.m, s.inventory)
		check(t, err)
		_, err = r.Commit(t.Context(), s.m, bytes.NewReader(s.archive), func(path string) error {
			r.wantContent(path, s)
			r.wantContent(r.in("tree"), old(t))
			return no
		})
		if err != no {
			t.Errorf("got %v", err)
		}
		r.wantContent(r.in("tree"), old(t))
		r.wantHas(old(t), true)
		path, err := r.Commit(t.Context(), s.m, bytes.NewReader(s.archive), func(string) error { return nil })
		if err != nil || path != r.in("tree") {
			t.Errorf("got %s, %v", path, err)
		}
		r.wantContent(r.in("tree"), s)
	}
}

// A reader that ends a context when it is read at a position.
type ending struct {
	io.ReaderAt
	at  int64
	end func()
}

func (e *ending) ReadAt(b []byte, offset int64) (int, error) {
	if offset+int64(len(b)) > e.at {
		e.end()
	}
	return e.ReaderAt.ReadAt(b, offset)
}

func TestTheEndOfAContextEndsCommit(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	s := send(t, "tree", file("large", strings.Repeat("x", 5<<20)), file("z", "z"))
	for at := int64(0); at < int64(len(s.archive)); at += 1 << 20 {
		_, err := r.Learn(t.Context(), s.m, s.inventory)
		check(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		_, err = r.Commit(ctx, s.m, &ending{bytes.NewReader(s.archive), at, cancel}, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("at %d: got %v", at, err)
		}
		r.wantFiles("tree")
		r.wantContent(r.in("tree"), old(t))
	}
	for _, step := range []string{"extracted", "recorded", "complete"} {
		ctx, cancel := context.WithCancel(t.Context())
		r.step = func(name string) {
			if name == step {
				cancel()
			}
		}
		_, err := r.Learn(t.Context(), s.m, s.inventory)
		check(t, err)
		_, err = r.Commit(ctx, s.m, bytes.NewReader(s.archive), nil)
		if done := step == "complete"; done != (err == nil) {
			t.Errorf("%s: got %v", step, err)
		}
	}
	r.Wait(t.Context())
	r.step = func(string) {}
	r.again(Config{}).wantFiles("tree") // the removal of the old one was ended, too
	r.wantContent(r.in("tree"), s)
}

func TestAnEndedSearchDoesNotBeginAgain(t *testing.T) {
	elsewhere := t.TempDir()
	var items []item
	for _, name := range strings.Split("abcdefghijklmnopqrst", "") {
		content := strings.Repeat(name, 1000)
		check(t, os.WriteFile(filepath.Join(elsewhere, name), []byte(content), 0o644))
		items = append(items, file("new "+name, content))
	}
	s := send(t, "tree", items...)
	var mu sync.Mutex
	var last Progress
	ctx, cancel := context.WithCancel(t.Context())
	r := newReceiver(t, Config{Reuse: []string{elsewhere}, Observe: func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if last = p; p.Phase == Hashing && p.Files == 10 {
			cancel()
		}
	}})
	if _, err := r.Learn(ctx, s.m, s.inventory); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	first := last.Files
	r.wantFiles(".tree" + hashesSuffix)
	seed, err := r.Learn(t.Context(), s.m, s.inventory)
	check(t, err)
	if last.AllFiles > 20-10 || last.Files != last.AllFiles || last.Reused != 20_000 {
		t.Errorf("at first %d files were hashed, and then %+v", first, last)
	}
	if missing := missingIn(seed, s); len(missing) != 0 {
		t.Errorf("missing: %q", missing)
	}
	// A torn end is left out.
	check(t, os.Truncate(r.in(".tree"+hashesSuffix), cachedLen*3+5))
	_, err = r.Learn(t.Context(), s.m, s.inventory)
	if err != nil || last.AllFiles != 17 {
		t.Errorf("got %v, %+v", err, last)
	}
	_, err = r.Commit(t.Context(), s.m, bytes.NewReader(s.archive), nil)
	check(t, err)
	r.wantFiles("tree")
	last = Progress{}
	_, err = r.Learn(t.Context(), s.m, s.inventory) // the record has the hashes of the directory itself
	if check(t, err); last.Reused != 20_000 {
		t.Errorf("got %+v", last)
	}
}

// A directory that is given twice is searched once.
func TestTheOldDirectoryIsSearchedOnce(t *testing.T) {
	var all []int
	var mu sync.Mutex
	elsewhere := t.TempDir()
	check(t, os.WriteFile(filepath.Join(elsewhere, "x"), []byte("after it"), 0o644))
	r := newReceiver(t, Config{Reuse: []string{elsewhere, elsewhere + "/."}, Observe: func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, p.AllFiles)
	}})
	_, err := r.Learn(t.Context(), recent(t).m, recent(t).inventory)
	if check(t, err); all[len(all)-1] != 1 {
		t.Errorf("got %v", all)
	}
}

func TestAnEndedHasSaysNothing(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if path, err := r.Has(ctx, old(t).m); path != "" || err != nil {
		t.Errorf("got %q, %v", path, err)
	}
}

func TestOwnersNeedAPrivilege(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root has it")
	}
	r := newReceiver(t, Config{Preserve: archive.Preserve{Owners: true}})
	f := file("x", "y")
	f.Owned = true
	r.wantError(r.try(send(t, "tree", f)), "receive without --preserve owners")
	r.wantFiles()
}

// An old file that was changed since it was hashed is missing, and not wrong.
func TestAChangedOldFileHasNothing(t *testing.T) {
	elsewhere := t.TempDir()
	for name, content := range map[string]string{"kept": "kept content", "changed": "before", "removed": "removed content", "linked": "linked"} {
		check(t, os.WriteFile(filepath.Join(elsewhere, name), []byte(content), 0o644))
	}
	r := newReceiver(t, Config{Reuse: []string{elsewhere}})
	s := send(t, "tree", file("1", "kept content"), file("2", "before"), file("3", "removed content"), file("4", "linked"))
	seed, err := r.Learn(t.Context(), s.m, s.inventory)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(elsewhere, "changed"), []byte("after!"), 0o644))
	check(t, os.Chtimes(filepath.Join(elsewhere, "changed"), time.Unix(1, 0), time.Unix(1, 0)))
	check(t, os.Remove(filepath.Join(elsewhere, "removed")))
	check(t, os.Remove(filepath.Join(elsewhere, "linked")))
	check(t, os.Symlink("/etc/passwd", filepath.Join(elsewhere, "linked")))
	if missing := missingIn(seed, s); !slices.Equal(missing, []string{"2", "3", "4"}) {
		t.Errorf("missing: %q", missing)
	}
}

// Sparse files are found by their extents, and files without holes by all of their content.
func TestTheSeedHasSparseFiles(t *testing.T) {
	hole := item{Entry: archive.Entry{Path: "hole", Type: archive.SparseFile, Mode: 0o644, Size: 1 << 20, Extents: []archive.Extent{{Offset: 4096, Length: 5}, {Offset: 1 << 19, Length: 3}}}, content: "AAAAABBB"}
	r := newReceiver(t, Config{})
	r.receive(send(t, "tree", hole))
	moved := hole
	moved.Path = "moved"
	plain := make([]byte, 1<<20)
	copy(plain[4096:], "AAAAA")
	copy(plain[1<<19:], "BBB")
	s := send(t, "tree", moved, file("plain", string(plain)))
	seed, err := r.Learn(t.Context(), s.m, s.inventory)
	check(t, err)
	if missing := missingIn(seed, s); len(missing) != 0 {
		t.Errorf("missing: %q", missing)
	}
	b := make([]byte, 4)
	inv, _ := archive.Parse(s.inventory, 10)
	_, content := inv.Extent(1)
	if n, err := seed.ReadAt(b, int64(content)+3); n != 4 || string(b) != "AABB" {
		t.Errorf("over the border of extents: %q, %v", b[:n], err)
	}
}

// Where names are folded, no file overwrites another.
func TestTwoNamesThatAreTheSameToTheFileSystemAreRefused(t *testing.T) {
	s := send(t, "tree", file("A", "first"), file("a", "second"))
	for _, same := range []bool{false, true} {
		r := newReceiver(t, Config{})
		files := 0
		r.step = func(name string) {
			if name != "file" {
				return
			}
			if files++; files == 2 { // "a" leads to "A", as on such a file system
				if same {
					check(t, os.Link(r.in(".tree"+extractSuffix, "A"), r.in(".tree"+extractSuffix, "a")))
				} else {
					check(t, os.WriteFile(r.in(".tree"+extractSuffix, "a"), nil, 0o600))
				}
			}
		}
		want := `"a": to this file system it is the same name as another one`
		if same {
			want = `"a": to this file system it is the same name as "A"`
		}
		r.wantError(r.try(s), want)
		r.wantFiles()
	}
}

// With the names that a crash leaves, whatever caused it.
func TestAnOldDirectoryIsPutBack(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	check(t, os.Rename(r.in("tree"), r.in(".tree"+oldSuffix)))
	check(t, os.Mkdir(r.in(".tree"+newSuffix), 0o700)) // which no record says is complete
	check(t, os.WriteFile(r.in(".tree"+nextSuffix), []byte("torn"), 0o600))
	r = r.again(Config{})
	r.wantContent(r.in("tree"), old(t))
	r.wantHas(old(t), true)
	r.wantFiles("tree")
}

// The record of the new directory counts as soon as that is at NAME.
func TestTheNextRecordCounts(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	check(t, os.Rename(r.in(".tree"+recordSuffix), r.in(".tree"+nextSuffix)))
	r.wantHas(old(t), true)
	r = r.again(Config{})
	r.wantHas(old(t), true)
	r.wantFiles("tree")
}

// A record that somebody has damaged or moved does not make a directory ours.
func TestARecordProvesItself(t *testing.T) {
	for name, change := range map[string]func(r *receiver){
		"torn":    func(r *receiver) { check(t, os.Truncate(r.in(".tree"+recordSuffix), 400)) },
		"changed": func(r *receiver) { flip(t, r.in(".tree"+recordSuffix), 250) },
		"empty":   func(r *receiver) { check(t, os.Truncate(r.in(".tree"+recordSuffix), 0)) },
		"of another directory": func(r *receiver) {
			check(t, os.Rename(r.in("tree"), r.in("kept")))
			check(t, os.Mkdir(r.in("tree"), 0o755))
		},
	} {
		r := newReceiver(t, Config{})
		r.receive(old(t))
		change(r)
		if _, err := r.Has(t.Context(), old(t).m); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func flip(t *testing.T, path string, at int) {
	b, err := os.ReadFile(path)
	check(t, err)
	b[at] ^= 1
	check(t, os.WriteFile(path, b, 0o600))
}

// "recv -d . must not delete a home"
func TestTheDirectoryOfAllIsNeverReplaced(t *testing.T) {
	r := newReceiver(t, Config{Replace: true})
	mine := r.in("mine")
	check(t, os.WriteFile(mine, []byte("mine"), 0o600))
	t.Chdir(r.Place.path)
	here := &receiver{TB: t, Place: Open(".", Config{Replace: true})}
	check(t, here.Prepare())
	defer here.Close()
	for _, name := range []string{".", "..", "", "place/../..", "..\\x"} {
		s := old(t)
		s.m.Name = name + ".tar"
		if _, err := here.Has(t.Context(), s.m); err == nil {
			t.Errorf("%q is allowed", name)
		}
		if err := here.try(s); err == nil {
			t.Errorf("%q is allowed", name)
		}
	}
	here.receive(old(t))
	here.wantFiles("mine", "tree")
	r.wantContent(r.in("tree"), old(t))
}

// A symbolic link at NAME that is not ours is replaced itself, if at all.
func TestALinkOfTheUserIsNotFollowed(t *testing.T) {
	for _, link := range []bool{false, true} {
		r := newReceiver(t, Config{Link: link})
		outside := t.TempDir()
		check(t, os.WriteFile(filepath.Join(outside, "mine"), []byte("mine"), 0o600))
		check(t, os.Symlink(outside, r.in("tree")))
		r.wantError(r.try(old(t)), "not replaced without --replace")
		r = r.again(Config{Link: link, Replace: true})
		r.receive(old(t))
		r.wantContent(r.in("tree"), old(t))
		if b, err := os.ReadFile(filepath.Join(outside, "mine")); string(b) != "mine" {
			t.Errorf("got %q, %v", b, err)
		}
	}
}

func TestAFileIsInTheWay(t *testing.T) {
	r := newReceiver(t, Config{Replace: true})
	check(t, os.WriteFile(r.in("tree"), []byte("mine"), 0o600))
	_, err := r.Has(t.Context(), old(t).m)
	r.wantError(err, "is in the way: it is not a directory")
	r.wantError(r.try(old(t)), "is in the way: it is not a directory")
	r.wantFiles("tree")
}

// A name that leaves no room for suffixes has hidden names of its own.
func TestHiddenNamesFit(t *testing.T) {
	r := newReceiver(t, Config{})
	a, b := strings.Repeat("n", 195)+"a", strings.Repeat("n", 195)+"b"
	for _, longest := range []int{255, 143} {
		r.longest = longest
		for _, suffix := range []string{hashesSuffix, recordSuffix, trashSuffix + "99"} {
			if n := len(r.hidden(a).with(suffix)); n > longest {
				t.Errorf("%s: %d bytes", suffix, n)
			}
			if r.hidden(a) == r.hidden(b) {
				t.Error("two directories have the same hidden names")
			}
		}
		if name := r.hidden(a).linked(old(t).m.Descriptor.Object(), 99); len(name) > longest || !r.hidden(a).isLinked(name) {
			t.Errorf("%s has %d bytes", name, len(name))
		}
	}
	r.longest = 255
	for _, name := range []string{a, b, strings.Repeat("é", 98)} {
		s := send(t, name, file("x", name))
		r.receive(s)
		r.wantHas(s, true)
	}
	r = r.again(Config{})
	r.wantFiles(a, b, strings.Repeat("é", 98))
}

func TestStemsOfHiddenNames(t *testing.T) {
	for name, want := range map[string]string{
		".a.iotupd-extract": "a", ".a.iotupd-new": "a", ".a.iotupd-trash-7": "a", ".a.iotupd-0123456789abcdef": "a", ".a.iotupd-0123456789abcdef.2": "a",
		".a.b.iotupd-directory": "a.b", ".a.iotupd-new.iotupd-new": "a.iotupd-new",
		"a.iotupd-new": "", ".a.iotupd-part": "", ".iotupd-all.lock": "", ".iotupd-new": "", ".a.iotupd-trash-": "", ".a.iotupd-trash-777": "",
		".a.iotupd-0123456789abcdeg": "", ".a.iotupd-0123456789abcdef.": "", ".iotupd-0123456789ABCDEF.tmp": "", ".a": "", "": "",
	} {
		if got, ok := stemOf(name); got != want && ok || ok != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", name, got, ok, want)
		}
	}
}

// Directories that this user cannot read or change are compared and removed all the same.
func TestClosedDirectories(t *testing.T) {
	closed, readOnly := directory("closed"), directory("read only")
	closed.Mode, readOnly.Mode = 0, 0o555
	s := send(t, "tree", closed, directory("closed/d"), file("closed/d/x", "1"), readOnly, file("read only/y", "2"), file("z", "3"))
	r := newReceiver(t, Config{})
	r.receive(s)
	r.wantHas(s, true)
	r.receive(recent(t))
	r.wantFiles("tree")
	r.receive(s)
	check(t, os.Chmod(r.in("tree", "closed"), 0o700))
	check(t, os.WriteFile(r.in("tree", "closed", "mine"), nil, 0o600))
	check(t, os.Chmod(r.in("tree", "closed"), 0))
	r.wantError(r.try(recent(t)), `such as "closed`)
}
