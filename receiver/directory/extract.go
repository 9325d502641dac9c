// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"iotupd/proto/archive"
)

// An extraction makes the files of an archive in a new directory, which only this user can
// enter. Each entry is a new file, and no existing one is opened, so that no two names of
// an inventory become the same file.
type extraction struct {
	ctx       context.Context
	inventory *archive.Inventory
	preserve  archive.Preserve
	observe   func(Progress)
	step      func(string)
	fixed     bool // modes cannot be set

	root     *os.Root // the new directory
	in       *bufio.Reader
	expected archive.Reader // headers and padding
	want     []byte         // of them
	hash     hash.Hash

	parent      *os.Root // of the last entry
	parentFile  *os.File // the same
	parentPath  string
	directories []uint32 // numbers of their entries
	later       []uint32 // numbers of the entries that are made after all files
	stamps      []byte   // of all entries
	progress    Progress
}

// window is how many bytes of an archive are read at once.
const window = 1 << 20

func newExtraction(ctx context.Context, p *Place, inv *archive.Inventory, root *os.Root, in io.ReaderAt) *extraction {
	x := &extraction{ctx: ctx, inventory: inv, preserve: p.cfg.Preserve, observe: p.cfg.Observe, step: p.step, fixed: fixesModes(root), root: root, hash: sha256.New()}
	x.in = bufio.NewReaderSize(io.NewSectionReader(in, 0, int64(inv.ArchiveSize())), window)
	x.expected = archive.Reader{Inventory: inv, Content: func(int, []byte, int64) (int, error) { return 0, ErrDisagrees }}
	x.progress = Progress{Phase: Extracting, AllFiles: inv.Len(), AllBytes: inv.ArchiveSize()}
	return x
}

// fixesModes reports whether all files have one mode where the directory root is.
func fixesModes(root *os.Root) bool {
	const usual, unusual = 0o700, 0o710
	d, err := root.Open(".")
	if err != nil {
		return false
	}
	defer d.Close()
	err = d.Chmod(unusual)
	info, failed := d.Stat()
	d.Chmod(usual)
	return err != nil || failed == nil && info.Mode().Perm() != unusual
}

// run makes everything. Nothing of it is durable yet.
func (x *extraction) run() error {
	defer x.leaveParent()
	for i, e := range x.inventory.All() {
		if err := x.entry(i, e); err != nil {
			return x.explain(e.Path, err)
		}
	}
	if err := x.compare(int64(x.progress.Bytes), int(x.progress.AllBytes-x.progress.Bytes)); err != nil {
		return err
	}
	for _, i := range x.later {
		e := x.inventory.Entry(int(i))
		if err := x.makeLater(&e); err != nil {
			return x.explain(e.Path, err)
		}
	}
	if err := x.takeStamps(); err != nil {
		return err
	}
	x.leaveParent()
	for n := len(x.directories) - 1; n >= 0; n-- { // those inside of others first
		i := int(x.directories[n])
		if err := x.finishDirectory(i); err != nil {
			return x.explain(x.inventory.Entry(i).Path, err)
		}
	}
	return x.ctx.Err()
}

// entry compares what the archive has of an entry, and makes it.
func (x *extraction) entry(i int, e *archive.Entry) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	start, content := x.inventory.Extent(i)
	if err := x.compare(int64(start), int(content-start)); err != nil {
		return err
	}
	x.progress.Bytes = content
	switch {
	case e.Type == archive.Directory:
		x.directories = append(x.directories, uint32(i))
		if i > 0 {
			dir, name, err := x.at(e.Path)
			if err == nil {
				err = dir.Mkdir(name, 0o700)
			}
			if err != nil {
				return err
			}
		}
	case e.Type.HasContent():
		if err := x.file(i, e); err != nil {
			return err
		}
	default:
		x.later = append(x.later, uint32(i))
	}
	x.progress.Files = i + 1
	if i%64 == 0 {
		x.observe(x.progress)
	}
	return nil
}

// compare reads n bytes of the archive, which are at a position, and compares them with
// what the inventory says.
func (x *extraction) compare(at int64, n int) error {
	for n > 0 {
		got, err := x.in.Peek(min(n, window))
		if err != nil {
			return x.ended(err)
		}
		x.want = append(x.want[:0], make([]byte, len(got))...)
		if _, err := x.expected.ReadAt(x.want, at); err != nil {
			return err
		}
		if !bytes.Equal(x.want, got) {
			return ErrDisagrees
		}
		x.in.Discard(len(got))
		at, n = at+int64(len(got)), n-len(got)
		x.progress.Bytes = uint64(at)
	}
	return nil
}

// ended returns the error of an archive that cannot be read.
func (x *extraction) ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w, which ends early", ErrDisagrees)
	}
	return fmt.Errorf("reading the archive: %w", cause(err))
}

// file makes a file, with its content and attributes.
func (x *extraction) file(i int, e *archive.Entry) error {
	x.step("file")
	dir, name, err := x.at(e.Path)
	if err != nil {
		return err
	}
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = x.fill(f, e)
	if err == nil {
		err = x.setAttributes(f, e)
	}
	if err == nil && syncsEach {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = setTime(dir, x.parentFile, name, e)
	}
	if err != nil {
		return err
	}
	stored := e.Stored()
	_, content := x.inventory.Extent(i)
	return x.compare(int64(content+stored), int(-stored&511))
}

// fill copies the content of a file, and compares its hash.
func (x *extraction) fill(f *os.File, e *archive.Entry) error {
	x.hash.Reset()
	if e.Type != archive.SparseFile {
		if err := x.copy(f, 0, e.Size); err != nil {
			return err
		}
	} else if err := f.Truncate(int64(e.Size)); err != nil {
		return err
	}
	for _, extent := range e.Extents {
		if err := x.copy(f, extent.Offset, extent.Length); err != nil {
			return err
		}
	}
	if e.Stored() > 0 && [sha256.Size]byte(x.hash.Sum(nil)) != e.SHA256 {
		return fmt.Errorf("%w about the content", ErrDisagrees)
	}
	return nil
}

// copy copies the next n bytes of the archive to a position of f.
func (x *extraction) copy(f *os.File, at, n uint64) error {
	for n > 0 {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		b, err := x.in.Peek(int(min(n, window)))
		if err != nil {
			return x.ended(err)
		}
		x.hash.Write(b)
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			return err
		}
		x.in.Discard(len(b))
		at, n = at+uint64(len(b)), n-uint64(len(b))
		if x.progress.Bytes += uint64(len(b)); n > 0 {
			x.observe(x.progress)
		}
	}
	return nil
}

// makeLater makes what is not a file, or another name of one: after all files, so that
// none of them is made through a link.
func (x *extraction) makeLater(e *archive.Entry) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	dir, name, err := x.at(e.Path)
	if err != nil {
		return err
	}
	switch e.Type {
	case archive.HardLink:
		return x.root.Link(x.inventory.Entry(e.LinkedTo).Path, e.Path)
	case archive.Symlink:
		err = dir.Symlink(e.Target, name)
	default:
		err = makeSpecial(x.parentFile, name, e)
	}
	if err == nil && x.preserve.Owners && e.Owned {
		err = dir.Lchown(name, int(e.User), int(e.Group))
	}
	if err == nil && x.preserve.Xattrs {
		err = setXattrsAt(x.parentFile, name, e)
	}
	if err == nil && e.Type != archive.Symlink {
		if err = dir.Chmod(name, modeOf(e)); x.fixed {
			err = nil
		}
	}
	if err == nil {
		err = setTime(dir, x.parentFile, name, e)
	}
	return err
}

// setAttributes sets everything but the time, in an order in which none takes away another.
func (x *extraction) setAttributes(f *os.File, e *archive.Entry) error {
	if x.preserve.Owners && e.Owned {
		if err := f.Chown(int(e.User), int(e.Group)); err != nil {
			return fmt.Errorf("setting the owner: %w", cause(err))
		}
	}
	if x.preserve.Xattrs {
		if err := setXattrs(f, e); err != nil {
			return err
		}
	}
	if err := f.Chmod(modeOf(e)); err != nil && !x.fixed {
		return err
	}
	return nil
}

// finishDirectory gives a directory its attributes, after all that is in it, and takes its
// stamp. The mode is the last, since it may keep this process out too.
func (x *extraction) finishDirectory(i int) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	e := x.inventory.Entry(i)
	path := e.Path
	if path == "" {
		path = "."
	}
	f, err := x.root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if syncsEach {
		f.Sync()
	}
	if err := setDirectoryTime(x.root, f, path, &e); err != nil {
		return err
	}
	if err := x.setAttributes(f, &e); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		x.stamp(i, info)
	}
	return err
}

// takeStamps takes the stamps of everything but directories.
func (x *extraction) takeStamps() error {
	x.stamps = make([]byte, x.inventory.Len()*stampLen)
	for i, e := range x.inventory.All() {
		if e.Type == archive.Directory {
			continue
		}
		dir, name, err := x.at(e.Path)
		if err != nil {
			return x.explain(e.Path, err)
		}
		info, err := dir.Lstat(name)
		if err != nil {
			return x.explain(e.Path, err)
		}
		x.stamp(i, info)
	}
	return x.ctx.Err()
}

func (x *extraction) stamp(i int, info fs.FileInfo) {
	s := stampOf(info)
	s.appendTo(x.stamps[:i*stampLen])
}

// at returns the directory that path is in, which stays open until the next call, and the
// last component of path.
func (x *extraction) at(path string) (dir *os.Root, name string, err error) {
	parent, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	if x.parent != nil && x.parentPath == parent {
		return x.parent, name, nil
	}
	x.leaveParent()
	open := parent
	if open == "" {
		open = "."
	}
	if x.parent, err = x.root.OpenRoot(open); err != nil {
		x.parent = nil
		return nil, "", err
	}
	if x.parentFile, err = x.parent.Open("."); err != nil {
		x.leaveParent()
		return nil, "", err
	}
	x.parentPath = parent
	return x.parent, name, nil
}

func (x *extraction) leaveParent() {
	if x.parentFile != nil {
		x.parentFile.Close()
	}
	if x.parent != nil {
		x.parent.Close()
	}
	x.parent, x.parentFile = nil, nil
}

// explain says more about an error of the entry at path.
func (x *extraction) explain(path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		if same := x.sameFile(path); same != "" {
			return fmt.Errorf("%s: to this file system it is the same name as %s", shown(path), shown(same))
		}
		return fmt.Errorf("%s: to this file system it is the same name as another one in the directory", shown(path))
	}
	return fmt.Errorf("%s: %w", shown(path), cause(err))
}

// shown returns a path as errors have it: a path may have any bytes, and 4095 of them.
func shown(path string) string {
	const most = 200
	if path == "" {
		return "the directory itself"
	}
	if len(path) > most {
		return strconv.Quote(path[:most/2]) + "..." + strconv.Quote(path[len(path)-most/2:])
	}
	return strconv.Quote(path)
}

// sameFile returns the path of the entry whose name is the same to the file system.
func (x *extraction) sameFile(path string) string {
	info, err := x.root.Lstat(path)
	if err != nil {
		return ""
	}
	dir := path[:strings.LastIndexByte(path, '/')+1]
	for _, e := range x.inventory.All() {
		rest, ok := strings.CutPrefix(e.Path, dir)
		if !ok || rest == "" || strings.Contains(rest, "/") || e.Path == path {
			continue
		}
		if other, err := x.root.Lstat(e.Path); err == nil && os.SameFile(info, other) {
			return e.Path
		}
	}
	return ""
}

// modeOf returns the mode of an entry as package os has it.
func modeOf(e *archive.Entry) fs.FileMode {
	mode := fs.FileMode(e.Mode & 0o777)
	for _, bit := range []struct {
		of uint32
		is fs.FileMode
	}{{archive.ModeSetuid, fs.ModeSetuid}, {archive.ModeSetgid, fs.ModeSetgid}, {archive.ModeSticky, fs.ModeSticky}} {
		if e.Mode&bit.of != 0 {
			mode |= bit.is
		}
	}
	return mode
}
