// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/proto/archive"
)

// extract has GNU tar extract the archive, and returns the place where it did.
func (p place) extract(d *Directory, options ...string) place {
	p.t.Helper()
	tar, err := exec.LookPath("tar")
	if err != nil {
		p.t.Skip("there is no tar: ", err)
	}
	if out, _ := exec.Command(tar, "--version").Output(); !bytes.Contains(out, []byte("GNU tar")) {
		p.t.Skip("this tar is not GNU tar")
	}
	to := place{p.t, filepath.Join(p.t.TempDir(), "data")}
	to.mkdir("")
	file := to.path + ".tar"
	p.must(os.WriteFile(file, p.archive(d), 0o600))
	cmd := exec.Command(tar, append([]string{"-x", "-p", "--warning=no-timestamp", "-f", file, "-C", to.path}, options...)...)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		p.t.Errorf("tar: %v\n%s", err, out)
	}
	return to
}

// described describes all that is in a directory: what "every attribute" means here.
func (p place) described(preserve archive.Preserve) (lines []string) {
	p.t.Helper()
	links := make(map[uint64]string)
	p.must(filepath.WalkDir(p.path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		at, _ := filepath.Rel(p.path, path)
		st := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%q %v %d", at, info.Mode(), info.ModTime().Unix())
		if preserve.Owners {
			line += fmt.Sprintf(" owner %d:%d", st.Uid, st.Gid)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			line += " to " + target
		}
		if info.Mode()&fs.ModeDevice != 0 {
			line += fmt.Sprintf(" device %d", st.Rdev)
		}
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d bytes %x names %d same as %s", len(content), sha256.Sum256(content), st.Nlink, links[st.Ino])
			if links[st.Ino] == "" {
				links[st.Ino] = at
			}
		}
		if preserve.Xattrs && info.Mode()&fs.ModeSymlink == 0 {
			line += fmt.Sprint(" xattrs ", p.xattrsOf(path))
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

func (p place) xattrsOf(path string) (all []string) {
	p.t.Helper()
	root, err := os.OpenRoot(filepath.Dir(path))
	p.must(err)
	defer root.Close()
	found, err := xattrsOf(root, filepath.Base(path))
	p.must(err)
	for _, x := range found {
		if x.Name != "security.selinux" {
			all = append(all, fmt.Sprintf("%s=%x", x.Name, x.Value))
		}
	}
	return all
}

// compare compares two places in every attribute.
func (p place) compare(to place, preserve archive.Preserve) {
	p.t.Helper()
	want, got := p.described(preserve), to.described(preserve)
	for _, line := range want {
		if !slices.Contains(got, line) {
			p.t.Errorf("sent, but not received: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			p.t.Errorf("received, but not sent: %s", line)
		}
	}
}

// "Every attribute": of all that needs no privilege, by GNU tar.
func TestTarExtractsTheSameDirectory(t *testing.T) {
	p := newPlace(t)
	long := strings.Repeat("d", 255)
	p.mkdir("empty")
	p.mkdir(long + "/" + long)
	p.mkdir("old")
	p.write(long+"/"+long+"/"+strings.Repeat("f", 255), "long path")
	p.write("a", strings.Repeat("content", 1000))
	p.write("b\xff\xfe not UTF-8", "bytes")
	p.write("newline\nin a name", "x")
	p.write("-x --checkpoint", "x")
	p.write("nothing", "")
	p.must(os.Link(p.at("a"), p.at("old/another name")))
	p.must(os.Symlink("../"+strings.Repeat("t", 300), p.at("long link")))
	p.must(os.Symlink("missing\xff", p.at("link")))
	p.must(os.Link(p.at("link"), p.at("link with two names")))
	for i, mode := range []fs.FileMode{0o000, 0o400, 0o777, 0o1777 | fs.ModeSticky} {
		name := fmt.Sprintf("mode %d", i)
		if mode.Perm() == 0 && os.Getuid() != 0 {
			continue
		}
		p.write(name, "x")
		p.must(os.Chmod(p.at(name), mode))
	}
	p.must(os.Chtimes(p.at("nothing"), old, old.AddDate(100, 0, 0)))
	p.must(unix.Mkfifo(p.at("fifo"), 0o640))
	p.must(os.Chmod(p.at("empty"), 0o700))
	p.age()
	all := archive.Preserve{Special: true}
	d := p.scan(all)
	p.compare(p.extract(d), all)
}

func TestTarExtractsSparseFiles(t *testing.T) {
	p := newPlace(t)
	for name, at := range map[string][]int64{"begins": {0, 1 << 20}, "hole first": {1 << 20, 5 << 20}, "none": {}} {
		f, err := os.Create(p.at(name))
		p.must(err)
		for _, offset := range at {
			_, err := f.WriteAt(bytes.Repeat([]byte{'x'}, 5000), offset)
			p.must(err)
		}
		p.must(f.Truncate(8<<20 + 100))
		p.must(f.Sync())
		p.must(f.Close())
		p.must(os.Chtimes(p.at(name), old, old))
	}
	p.age()
	d := p.scan(archive.Preserve{})
	if e := p.entry(d, "none"); e.Type != archive.SparseFile {
		t.Skip("the file system does not say where holes are")
	}
	if e := p.entry(d, "hole first"); e.Type != archive.SparseFile || e.Extents[0].Offset != 1<<20 || e.Stored() > 64<<10 {
		t.Errorf("%+v", e)
	}
	if d.Size() > 1<<20 {
		t.Errorf("an archive of %d bytes", d.Size())
	}
	to := p.extract(d)
	p.compare(to, archive.Preserve{})
	if st := statOf(stat1(t, to.at("none"))); st.allocated > 1<<20 {
		t.Errorf("tar made a file of %d bytes on the disk", st.allocated)
	}
	p.must(d.Check())
}

func stat1(t *testing.T, path string) fs.FileInfo {
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestTarSetsExtendedAttributesAndACLs(t *testing.T) {
	p := newPlace(t)
	p.mkdir("sub")
	p.write("a", "x")
	// Version 2; user::rw-, user 1:r--, group::r--, mask::r--, other::r--
	acl := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\x01\x00\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x04\x00\xff\xff\xff\xff"
	for _, x := range []struct{ file, name, value string }{
		{"a", "user.b", "with\nnewline\x00and zero"}, {"a", "user.a", ""}, {"sub", "user.dir", strings.Repeat("v", 1000)}, {"a", "system.posix_acl_access", acl},
	} {
		err := unix.Setxattr(p.at(x.file), x.name, []byte(x.value), 0)
		if errors.Is(err, unix.ENOTSUP) {
			t.Skip("the file system has no ", x.name)
		}
		p.must(err)
	}
	p.age()
	if e := p.entry(p.scan(archive.Preserve{}), "a"); len(e.Xattrs) > 0 {
		t.Errorf("without being asked for: %v", e.Xattrs)
	}
	all := archive.Preserve{Xattrs: true}
	d := p.scan(all)
	e := p.entry(d, "a")
	if !slices.ContainsFunc(e.Xattrs, func(x archive.Xattr) bool { return x.Name == "system.posix_acl_access" }) {
		t.Errorf("no ACL: %q", e.Xattrs)
	}
	p.compare(p.extract(d, "--xattrs", "--xattrs-include=*"), all)
}

func TestTarSetsOwnersAndDevices(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root makes devices, and files of others")
	}
	p := newPlace(t)
	p.write("a", "x")
	p.write("big", "x")
	p.must(os.Chown(p.at("a"), 1234, 5678))
	p.must(os.Chown(p.at("big"), 1<<30, 1<<22))
	p.must(os.Symlink("a", p.at("link")))
	p.must(os.Lchown(p.at("link"), 1, 2))
	if err := unix.Mknod(p.at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skip("devices cannot be made here: ", err)
	}
	p.must(unix.Mknod(p.at("disk"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 70000))))
	p.age()
	if d := p.scan(archive.Preserve{}); d.Special != (LeftOut{2, "disk"}) || p.entry(d, "a").Owned {
		t.Errorf("%+v", d.Special)
	}
	all := archive.Preserve{Owners: true, Special: true}
	d := p.scan(all)
	p.compare(p.extract(d), all)
	p.must(d.Check())
}
