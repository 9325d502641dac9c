// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// A name of which the partial file's would be too long has a partial file of its own
// all the same: each release continues from the one before.
func TestThePartialFileHasANameThatFits(t *testing.T) {
	for _, longest := range []int{30, 45, 143, 255} {
		for _, name := range []string{"fw.bin", strings.Repeat("n", longest), strings.Repeat("é", longest/2)} {
			d := to(t, name)
			d.FileTarget.dir.longest = longest
			d.receive("half of")
			d.Close()
			entries, err := os.ReadDir(d.dir)
			check(t, err)
			if len(entries) != 1 || len(entries[0].Name()) > longest || !strings.HasSuffix(entries[0].Name(), PartSuffix) {
				t.Errorf("%d bytes: the partial file of %s is %v", longest, name, entries)
			}
			d = d.again(name)
			d.FileTarget.dir.longest = longest
			d.openObject(2, 7) // another release
			d.Discard()
			d.wantFiles()
		}
	}
	a, b := &folder{longest: 143}, strings.Repeat("n", 143)
	if x, y := a.shorten(b+"x"), a.shorten(b+"y"); x == y {
		t.Errorf("two names are both shortened to %s", x)
	}
}

func TestANameThatIsTooLongForTheFileSystemIsRefusedBeforeAnythingIsReceived(t *testing.T) {
	d := to(t, "")
	d.FileTarget.dir.longest = 143
	_, err := d.Has(t.Context(), objectOf(strings.Repeat("n", 144), "content"))
	d.wantError(err, "the name has 144 bytes, and the file system has room for 143")
	_, err = d.Has(t.Context(), objectOf(strings.Repeat("n", 143), "content"))
	check(t, err)
	d.wantFiles()
}

// -o follows a link and -d replaces it: TestALinkIsKeptAndItsFileReplaced shows the
// first.
func TestALinkInADirectoryIsReplacedAndNotFollowed(t *testing.T) {
	d := to(t, "")
	write(t, filepath.Join(d.dir, "real"), "content")
	check(t, os.Chmod(filepath.Join(d.dir, "real"), 0o640))
	symlink(t, "real", filepath.Join(d.dir, "sent.bin"))
	m := objectOf("sent.bin", "content")
	if path, err := d.Has(t.Context(), m); path != "" || err != nil {
		t.Errorf("the file behind a link counts as %s, %v", path, err)
	}
	d.receive("content")
	_, err := d.Commit(t.Context(), m)
	check(t, err)
	info, err := os.Lstat(filepath.Join(d.dir, "sent.bin"))
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != d.FileTarget.dir.mode {
		t.Errorf("got %v, %v, want a file as any new one", info.Mode(), err)
	}
	d.wantContent("real", "content")
}

// The next run continues from what a failed one leaves, if it still has its hashes and
// belongs to this user alone.
func TestAfterAFailedCommitThePartialFileIsAsBefore(t *testing.T) {
	const file, hashes = "content", " and hash records, trailer"
	failures := map[string]func(*delivery) error{
		"something is in the way": func(d *delivery) error {
			check(t, os.Mkdir(filepath.Join(d.dir, "fw.bin"), 0o777))
			_, err := d.Commit(t.Context(), objectOf("", file))
			return err
		},
		"renaming fails, which is the last step": func(d *delivery) error {
			write(t, filepath.Join(d.dir, "fw.bin"), "old")
			behind, err := d.behind(d.part.file, int64(len(file)))
			check(t, err)
			check(t, d.seal(d.part.file, "fw.bin", int64(len(file))))
			d.unseal(d.part.file, behind)
			return syscall.EIO
		},
	}
	for name, fail := range failures {
		d := to(t, "fw.bin")
		d.receive(file + hashes)
		if err := fail(d); err == nil {
			t.Errorf("%s: no error", name)
		}
		d.Close()
		d.wantContent(".fw.bin"+PartSuffix, file+hashes)
		info, err := os.Stat(filepath.Join(d.dir, ".fw.bin"+PartSuffix))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != partMode {
			t.Errorf("%s: got mode %v, %v, want %v", name, info.Mode(), err, partMode)
		}
	}
}
