// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotupd/proto/archive"
)

// everything has entries of all types that need no privilege.
func everything() []item {
	hole := item{Entry: archive.Entry{Path: "hole", Type: archive.SparseFile, Mode: 0o600, Seconds: someTime, Size: 1 << 22, Extents: []archive.Extent{{Offset: 8192, Length: 3}, {Offset: 1 << 20, Length: 2}}}, content: "AAABB"}
	readOnly := directory("read only")
	readOnly.Mode = 0o555
	readOnly.Nanoseconds = 999_999_999
	program := file("bin/program", strings.Repeat("program ", 1000))
	program.Mode = 0o755
	secret := file("secret", "s")
	secret.Mode = 0
	return []item{
		directory("bin"), program, file("bin/empty", ""), directory("empty"), readOnly, file("read only/file", "x"), hole,
		link("link", "bin/program"), link("out", "/etc/passwd"), hardLink("zz", "bin/program"), secret,
		file("file\xff\n", "a name of any bytes"), file("a.txt", "1"), directory("a"), file("a/b", "2"),
	}
}

// old and new are two releases of a directory.
func old(t testing.TB) *sent {
	return send(t, "tree", directory("d"), file("d/same", "same"), file("d/moved", "moved content"), file("gone", "gone"), file("changed", "before"))
}

func recent(t testing.TB) *sent {
	return send(t, "tree", directory("d"), file("d/same", "same"), directory("e"), file("e/moved here", "moved content"), file("changed", "after it"))
}

func TestADirectoryIsMadeWithAllAttributes(t *testing.T) {
	for _, link := range []bool{false, true} {
		r := newReceiver(t, Config{Link: link})
		s := send(t, "tree", everything()...)
		r.wantHas(s, false)
		r.receive(s)
		r.wantContent(r.in("tree"), s)
		r.wantHas(s, true)
		r.again(Config{Link: link}).wantHas(s, true)
	}
}

func TestTheNewDirectoryTakesThePlaceOfTheOldOne(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	r.receive(recent(t))
	r.wantContent(r.in("tree"), recent(t))
	r.wantFiles("tree")
	r.wantHas(recent(t), true)
	r.wantHas(old(t), false)
}

func TestWithoutAnExchangeTwoRenamesDoIt(t *testing.T) {
	r := newReceiver(t, Config{})
	r.swap = func(*os.Root, string, string) error { return errNoExchange }
	r.receive(old(t))
	r.receive(recent(t))
	r.wantContent(r.in("tree"), recent(t))
	r.wantFiles("tree")
	r.wantHas(recent(t), true)
}

func TestALinkIsFlipped(t *testing.T) {
	r := newReceiver(t, Config{Link: true})
	r.receive(old(t))
	before, err := os.Readlink(r.in("tree"))
	check(t, err)
	r.receive(recent(t))
	after, err := os.Readlink(r.in("tree"))
	if err != nil || before == after || after != ".tree.iotupd-"+recent(t).m.Descriptor.Object().String()[:16] {
		t.Errorf("got %q, %v", after, err)
	}
	r.wantContent(r.in("tree")+"/", recent(t))
	r.wantFiles(after, "tree")

	check(t, os.Remove(r.in("tree", "changed"))) // the same once more, since something is missing
	r.wantHas(recent(t), false)
	r.receive(recent(t))
	r.wantFiles(after+".1", "tree")
	r.wantHas(recent(t), true)

	r = r.again(Config{}) // and a directory again
	r.receive(old(t))
	r.wantContent(r.in("tree"), old(t))
	r.wantFiles("tree")
}

// "A DIR/NAME that iotupd did not make is replaced only with --replace"
func TestAForeignDirectoryIsKept(t *testing.T) {
	r := newReceiver(t, Config{})
	check(t, os.Mkdir(r.in("tree"), 0o755))
	check(t, os.WriteFile(r.in("tree", "mine"), []byte("mine"), 0o644))
	_, err := r.Has(r.Context(), old(t).m)
	if r.wantError(err, "iotupd did not make this directory"); !errors.Is(err, ErrNotOurs) {
		t.Errorf("got %v", err)
	}
	r.wantError(r.try(old(t)), "not replaced without --replace")
	r.wantFiles("tree")
	if b, err := os.ReadFile(r.in("tree", "mine")); string(b) != "mine" {
		t.Errorf("got %q, %v", b, err)
	}
	r = r.again(Config{Replace: true})
	r.receive(old(t))
	r.wantContent(r.in("tree"), old(t))
	r.wantFiles("tree")
}

func TestAFileOfTheUserIsKept(t *testing.T) {
	for what, change := range map[string]func(r *receiver) error{
		`1 file or directory was added, such as "d/mine"`: func(r *receiver) error { return os.WriteFile(r.in("tree", "d", "mine"), nil, 0o600) },
		`1 file or directory was changed, such as "d/same"`: func(r *receiver) error {
			return os.WriteFile(r.in("tree", "d", "same"), []byte("changed"), 0o600)
		},
		`1 file or directory was changed, such as "changed"`: func(r *receiver) error {
			return os.Chtimes(r.in("tree", "changed"), time.Time{}, time.Unix(5, 0))
		},
		`2 files and directories were added, such as "new"`: func(r *receiver) error {
			return errors.Join(os.Mkdir(r.in("tree", "new"), 0o755), os.WriteFile(r.in("tree", "new", "mine"), nil, 0o600))
		},
		`1 file or directory was changed, such as "gone"`: func(r *receiver) error {
			return errors.Join(os.Remove(r.in("tree", "gone")), os.Symlink("x", r.in("tree", "gone")))
		},
	} {
		r := newReceiver(t, Config{})
		r.receive(old(t))
		check(t, change(r))
		_, err := r.Has(r.Context(), recent(t).m)
		r.wantError(err, what)
		r.wantError(r.try(recent(t)), what)
		r.wantFiles("tree")
		r = r.again(Config{Replace: true})
		r.receive(recent(t))
		r.wantContent(r.in("tree"), recent(t))
	}
}

// Nothing is lost with them.
func TestMissingAndReadFilesDoNotMatter(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	check(t, os.Remove(r.in("tree", "gone")))
	check(t, os.Chtimes(r.in("tree", "d", "same"), time.Unix(5, 0), time.Time{}))
	r.wantHas(old(t), false)
	r.receive(recent(t))
	r.wantContent(r.in("tree"), recent(t))
}

// "`-d` finds the old `DIR/NAME` by itself", and files wherever they moved.
func TestTheSeedHasWhatIsInOldDirectories(t *testing.T) {
	elsewhere := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(elsewhere, "x/y"), 0o755))
	check(t, os.WriteFile(filepath.Join(elsewhere, "x/y/z"), []byte("after it"), 0o644))
	for _, reuse := range [][]string{nil, {elsewhere}} {
		r := newReceiver(t, Config{Reuse: reuse})
		r.receive(old(t))
		s := recent(t)
		seed, err := r.Learn(r.Context(), s.m, s.inventory)
		check(t, err)
		missing := missingIn(seed, s)
		want := `[changed]`
		if reuse != nil {
			want = `[]`
		}
		if got := "[" + strings.Join(missing, " ") + "]"; got != want {
			t.Errorf("%v: missing is %s, want %s", reuse, got, want)
		}
	}
}

// missingIn returns the paths of the files whose content is not in a seed.
func missingIn(seed interface {
	ReadAt([]byte, int64) (int, error)
}, s *sent) (missing []string) {
	inv, _ := archive.Parse(s.inventory, archive.MaxEntries)
	for i, e := range inv.All() {
		start, content := inv.Extent(i)
		b := make([]byte, content+e.Stored()-start)
		n, _ := seed.ReadAt(b, int64(start))
		if !bytes.Equal(b[:n], s.archive[start:][:n]) {
			missing = append(missing, "wrong: "+e.Path)
		} else if n < len(b) {
			missing = append(missing, e.Path)
		}
	}
	return missing
}
