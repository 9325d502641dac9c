// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"encoding/binary"
	"io/fs"
	"os"
	"time"

	"iotupd/internal/durable"
)

// A stamp is what the file system says about a file without reading it. A file whose stamp
// is the same has the same content.
type stamp struct {
	inode    uint64 // 0: this system does not say
	mode     fs.FileMode
	size     uint64
	modified moment
	changed  moment // zero: this system does not say
}

// A moment is a time in seconds since 1970 and nanoseconds.
type moment struct {
	seconds     int64
	nanoseconds uint32
}

func momentOf(t time.Time) moment { return moment{t.Unix(), uint32(t.Nanosecond())} }

// stampLen is the length of an encoded stamp.
const stampLen = 8 + 4 + 8 + 12 + 12

func (s *stamp) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.inode)
	b = binary.BigEndian.AppendUint32(b, uint32(s.mode))
	b = binary.BigEndian.AppendUint64(b, s.size)
	return s.changed.appendTo(s.modified.appendTo(b))
}

func (m moment) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.seconds))
	return binary.BigEndian.AppendUint32(b, m.nanoseconds)
}

func parseStamp(b []byte) stamp {
	return stamp{
		inode: binary.BigEndian.Uint64(b), mode: fs.FileMode(binary.BigEndian.Uint32(b[8:])), size: binary.BigEndian.Uint64(b[12:]),
		modified: parseMoment(b[20:]), changed: parseMoment(b[32:]),
	}
}

func parseMoment(b []byte) moment {
	return moment{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:])}
}

// sameContent reports whether a file is the one that it was, as far as people see that: its
// type, size and time. Directories are compared by what is in them.
func (s *stamp) sameContent(now *stamp) bool {
	if s.mode.Type() != now.mode.Type() {
		return false
	}
	return s.mode.IsDir() || s.size == now.size && s.modified == now.modified
}

// untouched reports whether nobody has written to a file since, or replaced it.
func (s *stamp) untouched(now *stamp) bool {
	return s.inode == now.inode && s.size == now.size && s.modified == now.modified && s.changed == now.changed && s.mode.Type() == now.mode.Type()
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{mode: info.Mode(), modified: momentOf(info.ModTime())}
	if !info.IsDir() {
		s.size = uint64(info.Size())
	}
	s.inode, s.changed = numbersOf(info)
	return s
}

// An identity distinguishes a directory from all others on its file system, as long as it
// exists.
type identity struct {
	inode uint64
	birth moment // zero: unknown. Numbers of removed directories are given to new ones
}

// identify returns the identity of the directory root.
func identify(root *os.Root) (id identity, err error) {
	d, err := root.Open(".")
	if err != nil {
		return id, err
	}
	defer d.Close()
	id, err = identityOf(d)
	if t, known := durable.Birth(d); known && err == nil {
		id.birth = momentOf(t)
	}
	return id, err
}

// is reports whether two identities are of one directory.
func (a identity) is(b identity) bool {
	unknown := moment{}
	return a.inode == b.inode && (a.birth == b.birth || a.birth == unknown || b.birth == unknown)
}
