// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

// Config says what is sent of a directory.
type Config struct {
	// Preserve says which attributes are sent beside names, types, permissions, times and
	// content.
	Preserve archive.Preserve

	// Progress, if not nil, is called again and again with the number of entries found, by
	// [Scan].
	Progress func(entries int)
}

// Counts says what is in a directory.
type Counts struct {
	Files       int // hard links too
	Directories int // with the directory itself
	Others      int // symbolic links, devices, FIFOs
	Content     uint64
}

// A LeftOut says how many entries something was left out of.
type LeftOut struct {
	Entries int
	First   string // path of the first one
}

// add counts an entry.
func (l *LeftOut) add(path string) {
	if l.Entries++; l.Entries == 1 {
		l.First = path
	}
}

// A Directory is a directory that is sent: it reads the archive of it, and looks whether it
// changes. It takes less than 40 bytes of memory for each entry beside the inventory, and few
// files are open at a time. It is safe for concurrent use after [Directory.Hash].
type Directory struct {
	Counts Counts

	// Entries that [Config] does not ask for, or that cannot be sent.
	Sockets, Special, Bits LeftOut // Bits: setuid and setgid bits

	path      string // as it was given
	preserve  archive.Preserve
	root      *os.Root
	inventory *archive.Inventory
	reader    archive.Reader
	hashed    bool // the inventory has the SHA-256 of all content
	files     files
	parents   parents
	ids       []identity // of the entries
	next      int        // entry that Look looks at next
}

// An identity distinguishes a file from all others, and from itself before and after any
// change, as far as its size and the time of its last modification do not.
type identity struct {
	device, inode uint64
	changed       int64 // time of the last change of any kind, in nanoseconds
}

// Scan reads which files a directory has, and their attributes, but not their content. The
// caller closes the result. Errors are of type [*filesource.FileError] and
// [*filesource.ChangedError]; when ctx ends, the error is its cause.
func Scan(ctx context.Context, path string, cfg Config) (*Directory, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, &filesource.FileError{Path: path, Err: cause(err)}
	}
	d := &Directory{path: path, preserve: cfg.Preserve, root: root, parents: parents{root: root}}
	d.files.init(d)
	s := &scanner{Directory: d, ctx: ctx, cfg: cfg, builder: archive.NewBuilder(nil), linked: make(map[identity]int)}
	if err := s.scan(); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

// A scanner scans a directory.
type scanner struct {
	*Directory
	ctx     context.Context
	cfg     Config
	builder *archive.Builder
	entry   archive.Entry
	linked  map[identity]int // number of the entry of each file with several names
	digests uint64           // bytes of all digests of blocks
}

// scan makes the inventory.
func (s *scanner) scan() (err error) {
	info, err := s.root.Stat(".")
	if err != nil {
		return s.failure("", err)
	}
	if err := s.directory(s.root, "", info); err != nil {
		return err
	}
	if s.inventory, err = s.builder.Inventory(); err != nil {
		return &filesource.FileError{Path: s.path, Err: err}
	}
	s.reader = archive.Reader{Inventory: s.inventory, Content: s.readContent}
	return nil
}

// directory adds the directory with a path, which is open, and all that is in it.
func (s *scanner) directory(open *os.Root, at string, info fs.FileInfo) error {
	info, err := settled(info, func() (fs.FileInfo, error) { return open.Stat(".") })
	if err != nil {
		return s.failure(at, err)
	}
	s.begin(at, archive.Directory, info)
	if err := s.xattrs(open, "."); err != nil {
		return err
	}
	s.Counts.Directories++
	if err := s.add(info); err != nil {
		return err
	}
	names, err := namesIn(open)
	if err != nil {
		return s.failure(at, err)
	}
	for _, name := range names {
		if err := s.ctx.Err(); err != nil {
			return context.Cause(s.ctx)
		}
		if err := s.named(open, path.Join(at, name), name); err != nil {
			return err
		}
	}
	return nil
}

// namesIn returns the names in a directory, in the order of an inventory.
func namesIn(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// named adds what has a name in a directory.
func (s *scanner) named(in *os.Root, at, name string) error {
	if err := archive.Check(at); err != nil {
		var e *archive.EntryError
		errors.As(err, &e)
		return s.failure(at, fmt.Errorf("%s; shorten it, or move it out of the directory", e.Why))
	}
	info, err := in.Lstat(name)
	if err != nil {
		return s.failure(at, err)
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return s.subdirectory(in, at, name, info)
	case mode.IsRegular():
		return s.file(in, at, name, info)
	case mode&fs.ModeSymlink != 0:
		s.begin(at, archive.Symlink, info)
		if s.entry.Target, err = in.Readlink(name); err != nil {
			return s.failure(at, err)
		}
	case mode&fs.ModeSocket != 0:
		s.Sockets.add(at)
		return nil
	case !s.preserve.Special || typeOfSpecial(mode) == 0:
		s.Special.add(at)
		return nil
	default:
		s.begin(at, typeOfSpecial(mode), info)
		s.entry.Major, s.entry.Minor = statOf(info).device()
	}
	if err := s.xattrs(in, name); err != nil {
		return err
	}
	s.Counts.Others++
	return s.add(info)
}

// typeOfSpecial returns the type of a device or FIFO; 0 if it is another thing.
func typeOfSpecial(mode fs.FileMode) archive.Type {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return archive.FIFO
	case mode&fs.ModeCharDevice != 0:
		return archive.CharDevice
	case mode&fs.ModeDevice != 0:
		return archive.BlockDevice
	}
	return 0
}

// subdirectory adds a directory in another one, and all that is in it.
func (s *scanner) subdirectory(in *os.Root, at, name string, info fs.FileInfo) error {
	open, err := in.OpenRoot(name)
	if err != nil {
		return s.failure(at, err)
	}
	defer open.Close()
	opened, err := open.Stat(".")
	if err != nil {
		return s.failure(at, err)
	}
	if !os.SameFile(info, opened) {
		return s.changed(at, filesource.Replaced)
	}
	return s.directory(open, at, opened)
}

// file adds a file.
func (s *scanner) file(in *os.Root, at, name string, info fs.FileInfo) (err error) {
	st := statOf(info)
	s.Counts.Files++
	if st.links > 1 {
		key := identity{device: st.id.device, inode: st.id.inode}
		if first, ok := s.linked[key]; ok {
			s.entry = archive.Entry{Path: at, Type: archive.HardLink, LinkedTo: first}
			return s.add(info)
		}
		s.linked[key] = s.builder.Len()
	}
	s.begin(at, archive.File, info)
	s.entry.Size = uint64(info.Size())
	if info.Size() >= leastHole && st.allocated < info.Size() {
		if s.entry.Extents, err = s.extents(in, name, info); err != nil {
			return s.failure(at, err)
		}
		if s.entry.Extents != nil {
			s.entry.Type = archive.SparseFile
		}
	}
	stored := s.entry.Stored()
	if n := archive.BlockCount(stored); stored > archive.BlocksFrom && n <= (archive.MaxDigests-s.digests)/archive.BlockDigestLen {
		s.entry.Blocks = make([]byte, n*archive.BlockDigestLen) // they come when it is hashed
		s.digests += n * archive.BlockDigestLen
	}
	s.Counts.Content += stored
	if err := s.xattrs(in, name); err != nil {
		return err
	}
	return s.add(info)
}

// extents returns the extents of a file that may have holes; nil: it does not have any.
func (s *scanner) extents(in *os.Root, name string, info fs.FileInfo) ([]archive.Extent, error) {
	f, err := in.OpenFile(name, os.O_RDONLY|doNotWait, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return extentsOf(f, info.Size())
}

// keepsBits reports whether setuid and setgid bits are sent. Without its owner, such a bit
// would mean another user.
func keepsBits(p archive.Preserve) bool { return p.Special && p.Owners }

// begin begins an entry with what all types but hard links have.
func (s *scanner) begin(at string, t archive.Type, info fs.FileInfo) {
	s.entry = archive.Entry{Path: at, Type: t, Mode: modeOf(info.Mode())}
	e := &s.entry
	if t == archive.Symlink {
		e.Mode = 0o777 // systems differ, and none asks for it
	}
	if bits := e.Mode & (archive.ModeSetuid | archive.ModeSetgid); bits != 0 && !keepsBits(s.preserve) {
		e.Mode &^= bits
		s.Bits.add(at)
	}
	e.Seconds, e.Nanoseconds = info.ModTime().Unix(), uint32(info.ModTime().Nanosecond())
	if s.preserve.Owners {
		st := statOf(info)
		e.Owned, e.User, e.Group = st.owned, st.user, st.group
	}
}

// modeOf returns the mode of an entry.
func modeOf(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= archive.ModeSetuid
	}
	if m&fs.ModeSetgid != 0 {
		mode |= archive.ModeSetgid
	}
	if m&fs.ModeSticky != 0 {
		mode |= archive.ModeSticky
	}
	return mode
}

// xattrs reads the extended attributes of the entry, which has a name in a directory.
func (s *scanner) xattrs(in *os.Root, name string) (err error) {
	if !s.preserve.Xattrs {
		return nil
	}
	if s.entry.Xattrs, err = xattrsOf(in, name); err != nil {
		return s.failure(s.entry.Path, err)
	}
	return nil
}

// scanned is how many entries are found between two calls of Config.Progress.
const scanned = 1024

// add adds the entry, of which info is.
func (s *scanner) add(info fs.FileInfo) error {
	if err := s.builder.Add(&s.entry); err != nil {
		return &filesource.FileError{Path: s.path, Err: err}
	}
	s.ids = append(s.ids, statOf(info).id)
	if n := s.builder.Len(); n%scanned == 0 && s.cfg.Progress != nil {
		s.cfg.Progress(n)
	}
	return nil
}

// Path returns the path that the directory was opened by.
func (d *Directory) Path() string { return d.path }

// Inventory returns the inventory. Until [Directory.Hash], it lacks the SHA-256 of the files.
func (d *Directory) Inventory() *archive.Inventory { return d.inventory }

// Size returns the length of the archive in bytes.
func (d *Directory) Size() int64 { return int64(d.inventory.ArchiveSize()) }

// Close closes all files.
func (d *Directory) Close() error {
	d.files.close()
	d.parents.shrink()
	return d.root.Close()
}

// BaseName returns the name of the directory with a path, which may be "." too.
func BaseName(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", &filesource.FileError{Path: path, Err: err}
	}
	return filepath.Base(abs), nil
}
