// SPDX-License-Identifier: GPL-2.0-or-later

// Package samedir compares two directories: what is in them, and all attributes that this
// system has for it. Tests of copies use it.
package samedir

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Attribute is something in which files can differ.
type Attribute string

// Attributes that are compared. On other systems than Linux, those from Owner on are not.
const (
	Exists      Attribute = "exists"      // in both directories
	Type        Attribute = "type"        // file, directory, ...
	Size        Attribute = "size"        // of files
	Content     Attribute = "content"     // of files
	Target      Attribute = "target"      // of symbolic links
	Links       Attribute = "links"       // which names in the directory are of the same file
	Mode        Attribute = "mode"        // permissions, setuid, setgid, sticky
	Time        Attribute = "time"        // of the last modification, in seconds
	Nanoseconds Attribute = "nanoseconds" // of that time
	Owner       Attribute = "owner"       // user and group
	Xattrs      Attribute = "xattrs"      // extended attributes
	Device      Attribute = "device"      // numbers of devices
	Holes       Attribute = "holes"       // of sparse files; a few blocks at the ends of data may differ
)

// Attributes has all of them.
var Attributes = []Attribute{Exists, Type, Size, Content, Target, Links, Mode, Time, Nanoseconds, Owner, Xattrs, Device, Holes}

// A Difference is an attribute in which files with the same path differ.
type Difference struct {
	Path string // relative; ".": the directory itself
	What Attribute
	A, B string // what it is in either directory
}

func (d Difference) String() string { return fmt.Sprintf("%q: %s: %s, %s", d.Path, d.What, d.A, d.B) }

// A file is an entry of one of the directories.
type file struct {
	path  string // with the directory
	info  fs.FileInfo
	first string // of its names in the directory
}

// Compare compares two directories, and returns how many entries the first one has beside
// itself, and all differences in the order of their paths.
func Compare(a, b string, ignore ...Attribute) (entries int, all []Difference, err error) {
	before, err := list(a)
	if err != nil {
		return 0, nil, err
	}
	after, err := list(b)
	if err != nil {
		return 0, nil, err
	}
	c := comparison{ignore: ignore}
	for path, x := range before {
		if y, ok := after[path]; !ok {
			c.note(path, Exists, "yes", "no")
		} else if err := c.files(path, x, y); err != nil {
			return 0, nil, err
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			c.note(path, Exists, "no", "yes")
		}
	}
	slices.SortFunc(c.differences, func(x, y Difference) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.What, y.What))
	})
	return len(before) - 1, c.differences, nil
}

// list returns all entries of a directory by their relative paths.
func list(dir string) (map[string]*file, error) {
	all := map[string]*file{}
	names := map[inode]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f := &file{path: path, info: info, first: relative}
		if id, ok := inodeOf(info); ok && !info.IsDir() {
			if name, ok := names[id]; ok {
				f.first = name
			} else {
				names[id] = relative
			}
		}
		all[relative] = f
		return nil
	})
	return all, err
}

// A comparison collects differences.
type comparison struct {
	ignore      []Attribute
	differences []Difference
}

func (c *comparison) note(path string, what Attribute, a, b string) {
	if a != b && !slices.Contains(c.ignore, what) {
		c.differences = append(c.differences, Difference{path, what, a, b})
	}
}

// files compares two files with the same path.
func (c *comparison) files(path string, a, b *file) error {
	x, y := a.info, b.info
	if x.Mode().Type() != y.Mode().Type() {
		c.note(path, Type, typeOf(x), typeOf(y))
		return nil
	}
	c.note(path, Links, "as "+a.first, "as "+b.first)
	if x.Mode().Type() != fs.ModeSymlink { // Linux does not keep one
		c.note(path, Mode, modeOf(x), modeOf(y))
	}
	s, t := x.ModTime(), y.ModTime()
	if c.note(path, Time, fmt.Sprint(s.Unix()), fmt.Sprint(t.Unix())); s.Unix() == t.Unix() {
		c.note(path, Nanoseconds, fmt.Sprint(s.Nanosecond()), fmt.Sprint(t.Nanosecond()))
	}
	switch x.Mode().Type() {
	case fs.ModeSymlink:
		if err := c.targets(path, a, b); err != nil {
			return err
		}
	case 0:
		if err := c.contents(path, a, b); err != nil {
			return err
		}
	}
	return c.attributes(path, a, b)
}

func (c *comparison) targets(path string, a, b *file) error {
	x, err := os.Readlink(a.path)
	if err != nil {
		return err
	}
	y, err := os.Readlink(b.path)
	c.note(path, Target, x, y)
	return err
}

// contents compares what is in two files.
func (c *comparison) contents(path string, a, b *file) error {
	if a.info.Size() != b.info.Size() {
		c.note(path, Size, fmt.Sprint(a.info.Size()), fmt.Sprint(b.info.Size()))
		return nil
	}
	x, err := os.Open(a.path)
	if err != nil {
		return err
	}
	defer x.Close()
	y, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer y.Close()
	s, err := extentsOf(x)
	if err != nil {
		return err
	}
	t, err := extentsOf(y)
	if err != nil {
		return err
	}
	if !sameHoles(s, t) {
		c.note(path, Holes, s.String(), t.String())
	}
	at, err := firstDifference(x, y, append(s, t...))
	if at >= 0 {
		c.note(path, Content, fmt.Sprintf("byte %d is one", at), "another")
	}
	return err
}

// typeOf says what a file is.
func typeOf(info fs.FileInfo) string {
	switch t := info.Mode().Type(); t {
	case 0:
		return "file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	default:
		return strings.TrimRight(t.String(), "-")
	}
}

// modeOf returns permissions as octal digits.
func modeOf(info fs.FileInfo) string {
	mode := uint32(info.Mode().Perm())
	for _, special := range []struct {
		is  fs.FileMode
		bit uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if info.Mode()&special.is != 0 {
			mode |= special.bit
		}
	}
	return fmt.Sprintf("%04o", mode)
}
