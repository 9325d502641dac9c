// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// objectOf returns what a sender would say about a file.
func objectOf(name, content string) *proto.Manifest {
	return &proto.Manifest{Name: name, Descriptor: proto.Descriptor{
		Params: proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: uint64(len(content))},
		SHA256: sha256.Sum256([]byte(content)),
	}}
}

// A delivery is a target in a directory of its own. Its verbs narrate a test.
type delivery struct {
	*testing.T
	dir string
	*FileTarget
}

// to makes --output NAME, or --dir if name is empty.
func to(t *testing.T, name string) *delivery {
	t.Helper()
	return (&delivery{T: t, dir: t.TempDir()}).again(name)
}

// again is a new receiver in the same directory.
func (d *delivery) again(name string) *delivery {
	d.Helper()
	next := &delivery{T: d.T, dir: d.dir}
	next.FileTarget = Dir(d.dir)
	if name != "" {
		next.FileTarget = File(filepath.Join(d.dir, name))
	}
	check(d.T, next.Prepare())
	d.Cleanup(next.Close)
	return next
}

// openObject begins with an object of 4 bytes and hashes, whose partial file must
// hold so many bytes.
func (d *delivery) openObject(id byte, found int64) receiver.Store {
	d.Helper()
	s, err := d.Open(proto.ObjectID{id}, proto.Params{Size: 4})
	check(d.T, err)
	if s.Found() != found {
		d.Errorf("got a partial file of %d bytes, want %d", s.Found(), found)
	}
	return s
}

// receive writes content for object 1 into a partial file that is new.
func (d *delivery) receive(content string) receiver.Store {
	d.Helper()
	s := d.openObject(1, 0)
	check(d.T, s.Reserve(int64(len(content))))
	_, err := s.WriteAt([]byte(content), 0)
	check(d.T, err)
	return s
}

func (d *delivery) wantFiles(names ...string) {
	d.Helper()
	entries, err := os.ReadDir(d.dir)
	check(d.T, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		d.Errorf("got files %q, want %q", got, names)
	}
}

func (d *delivery) wantContent(name, want string) {
	d.Helper()
	got, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil || string(got) != want {
		d.Errorf("%s: got %q, %v, want %q", name, got, err, want)
	}
}

func (d *delivery) wantError(err error, text string) {
	d.Helper()
	typed := errors.As(err, new(*Error)) || errors.As(err, new(*TargetError)) || errors.As(err, new(*durable.ScratchError))
	if !typed || !strings.Contains(err.Error(), text) {
		d.Errorf("got error %v, want %q of this package", err, text)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(content), 0o666))
}

func TestTheOldFileIsThereUntilCommit(t *testing.T) {
	d := to(t, "fw.bin")
	write(t, filepath.Join(d.dir, "fw.bin"), "old")
	d.receive("new content")
	d.wantContent("fw.bin", "old")
	d.wantFiles("fw.bin", ".fw.bin.iotupd-part")
	path, err := d.Commit(t.Context(), objectOf("sent.bin", "new content"))
	if want := filepath.Join(d.dir, "fw.bin"); err != nil || path != want {
		t.Errorf("got %q, %v, want %q", path, err, want)
	}
	d.wantContent("fw.bin", "new content")
	d.wantFiles("fw.bin")
}

func TestADirectoryKeepsTheSentName(t *testing.T) {
	d := to(t, "")
	d.receive("content")
	d.wantFiles("." + proto.ObjectID{1}.String() + ".iotupd-part")
	_, err := d.Commit(t.Context(), objectOf("sent.bin", "content"))
	check(t, err)
	d.wantContent("sent.bin", "content")
	d.wantFiles("sent.bin")
}

func TestCommitCutsWhatIsLonger(t *testing.T) {
	d := to(t, "fw.bin")
	d.receive("content and a padded last shard")
	_, err := d.Commit(t.Context(), objectOf("", "content"))
	check(t, err)
	d.wantContent("fw.bin", "content")
}

func TestTheModeOfTheOldFileIsKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are of another kind")
	}
	for _, mode := range []os.FileMode{0o600, 0o755, 0o444} {
		d := to(t, "fw.bin")
		path := filepath.Join(d.dir, "fw.bin")
		write(t, path, "old")
		check(t, os.Chmod(path, mode))
		d.receive("new")
		_, err := d.Commit(t.Context(), objectOf("", "new"))
		check(t, err)
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("got mode %v, %v, want %v", info.Mode(), err, mode)
		}
	}
}

func TestNewFilesHaveTheUsualModeOnceTheyAreWhole(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are of another kind")
	}
	d := to(t, "fw.bin")
	usual := filepath.Join(t.TempDir(), "usual")
	check(t, os.WriteFile(usual, nil, 0o666))
	want, err := os.Stat(usual)
	check(t, err)
	d.receive("private")
	if info, err := os.Stat(filepath.Join(d.dir, ".fw.bin.iotupd-part")); err != nil || info.Mode() != 0o600 {
		t.Errorf("got mode %v, %v while it arrives, want that nobody else can read it", info.Mode(), err)
	}
	_, err = d.Commit(t.Context(), objectOf("", "private"))
	check(t, err)
	if info, err := os.Stat(filepath.Join(d.dir, "fw.bin")); err != nil || info.Mode() != want.Mode() {
		t.Errorf("got mode %v, %v, want %v", info.Mode(), err, want.Mode())
	}
	d.wantFiles("fw.bin")
}

func TestALinkIsKeptAndItsFileReplaced(t *testing.T) {
	d := to(t, "")
	check(t, os.Mkdir(filepath.Join(d.dir, "real"), 0o777))
	write(t, filepath.Join(d.dir, "real", "fw.bin"), "old")
	symlink(t, filepath.Join("real", "fw.bin"), filepath.Join(d.dir, "link"))
	d = d.again("link")
	d.receive("new")
	_, err := d.Commit(t.Context(), objectOf("", "new"))
	check(t, err)
	d.wantContent(filepath.Join("real", "fw.bin"), "new")
	if to, err := os.Readlink(filepath.Join(d.dir, "link")); err != nil {
		t.Errorf("the link is gone: %v", err)
	} else if want := filepath.Join("real", "fw.bin"); to != want {
		t.Errorf("the link points to %q, want %q", to, want)
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
}

func TestALinkOutOfTheDirectoryIsNotFollowed(t *testing.T) {
	d := to(t, "")
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "outside")
	symlink(t, outside, filepath.Join(d.dir, "sent.bin"))
	m := objectOf("sent.bin", "outside")
	if path, _ := d.Has(t.Context(), m); path != "" {
		t.Errorf("a file outside of the directory counts as %s", path)
	}
	d.receive("outside")
	_, err := d.Commit(t.Context(), m)
	check(t, err)
	if info, err := os.Lstat(filepath.Join(d.dir, "sent.bin")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("got %v, %v, want a regular file in place of the link", info.Mode(), err)
	}
}

func TestHas(t *testing.T) {
	d := to(t, "")
	write(t, filepath.Join(d.dir, "same"), "content")
	write(t, filepath.Join(d.dir, "other"), "CONTENT")
	write(t, filepath.Join(d.dir, "longer"), "content!")
	check(t, os.Mkdir(filepath.Join(d.dir, "directory"), 0o777))
	for name, want := range map[string]string{"same": filepath.Join(d.dir, "same"), "other": "", "longer": "", "missing": ""} {
		if got, err := d.Has(t.Context(), objectOf(name, "content")); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	_, err := d.Has(t.Context(), objectOf("directory", "content"))
	d.wantError(err, "is in the way: it is not a regular file")

	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := d.Has(over, objectOf("same", "content")); got != "" || err != nil {
		t.Errorf("got %q, %v after the transfer was over, want nothing", got, err)
	}
}

func TestATargetThatCannotBeIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	d := &delivery{T: t, dir: dir}
	write(t, filepath.Join(dir, "file"), "")
	output := func(name string) error {
		return File(dir + string(os.PathSeparator) + name).Prepare()
	}
	d.wantError(output(""), "names a directory")
	d.wantError(output("."), "is a directory")
	d.wantError(output("missing/fw.bin"), "does not exist; make it first")
	d.wantError(output("file/fw.bin"), "not a directory")
	d.wantError(output(strings.Repeat("n", 256)), "")
	d.wantError(Dir(filepath.Join(dir, "missing")).Prepare(), "does not exist; make it first")
	d.wantError(Dir(filepath.Join(dir, "file")).Prepare(), "not a directory")
	d.wantFiles("file")
}

func TestAnUnwritableDirectoryIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o555))
	if f, err := os.CreateTemp(dir, ""); err == nil {
		f.Close()
		t.Skip("this user may write everywhere")
	}
	(&delivery{T: t}).wantError(Dir(dir).Prepare(), "cannot make a file in it: permission denied")
}

// What --dir writes to is in the directory whatever a sender says: a manifest
// with another name is refused before (spec.md 5.3), and a root does not leave
// its directory even then.
func TestAHostileNameDoesNotLeaveTheDirectory(t *testing.T) {
	for _, name := range []string{"../escaped", "a/../../escaped", "/tmp/escaped", "..", ".", ""} {
		if err := proto.CheckName(name); err == nil {
			t.Errorf("%q is a name that a manifest may carry", name)
		}
		d := to(t, "")
		d.receive("content")
		if path, err := d.Commit(t.Context(), objectOf(name, "content")); err == nil {
			t.Errorf("%q was written to %s", name, path)
		}
		d.Discard()
		d.wantFiles()
	}
}

func TestScratchIsGoneOnceClosed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	target := Scratch(nil)
	s, err := target.Open(proto.ObjectID{1}, proto.Params{})
	check(t, err)
	_, err = s.WriteAt([]byte("content"), 0)
	check(t, err)
	want := "temporary file in " + dir + ": no space left on device; set TMPDIR to a directory with room"
	if err := s.(*store).failure(&os.PathError{Op: "write", Path: "a name that is gone", Err: syscall.ENOSPC}); runtime.GOOS == "linux" && err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if path, err := target.Commit(t.Context(), objectOf("", "content")); path != "" || err != nil {
		t.Errorf("got %q, %v, want no path", path, err)
	}
	target.Close()
	target.Close()
	(&delivery{T: t, dir: dir}).wantFiles()

	t.Setenv("TMPDIR", filepath.Join(dir, "missing"))
	_, err = target.Open(proto.ObjectID{1}, proto.Params{})
	(&delivery{T: t}).wantError(err, "set TMPDIR to a directory with room")
}
