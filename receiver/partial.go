// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"errors"
	"io"

	"iotupd/proto"
)

// The trailer at the end of the workspace says to which object a partial file
// belongs. It is for people: the receiver does not rely on it.
//
//	"IUPART1\0" (8) | descriptor (64)
const (
	trailerLen   = 72
	trailerMagic = "IUPART1\x00"
)

var errNoTrailer = errors.New("not a partial file")

func trailer(d proto.Descriptor) []byte { return d.AppendTo([]byte(trailerMagic)) }

// A PartialFile says what a partial file holds.
type PartialFile struct {
	Descriptor proto.Descriptor
	Needed     uint64 // Nd: data shards of the file
	Data       uint64 // data shards that match their leaf
	Parity     uint64 // parity shards that match, in places of missing data shards
	Records    uint64 // hash records of leaves
	AllRecords uint64 // of the object
}

// ScanPartialFile returns the object that a partial file of size bytes belongs
// to, and the shards that it holds. It only reads. A file that is not a partial
// file is an error.
func ScanPartialFile(file io.ReaderAt, size int64) (s PartialFile, err error) {
	b := make([]byte, trailerLen)
	if size < trailerLen {
		return s, errNoTrailer
	}
	if _, err := file.ReadAt(b, size-trailerLen); err != nil {
		return s, err
	}
	if string(b[:8]) != trailerMagic {
		return s, errNoTrailer
	}
	if s.Descriptor, err = proto.ParseDescriptor(b[8:]); err != nil {
		return s, err
	}
	geo, err := s.Descriptor.Geometry()
	if err != nil {
		return s, err
	}
	tree, err := geo.Tree()
	if err != nil || indexBytes(geo) > maxIndex {
		return s, errNoTrailer
	}
	l, never := newLeaves(tree, 0), func() bool { return false }
	at := newLayout(geo, l.size())
	if size != at.size() { // checked before any work, since the trailer may be wrong
		return s, errNoTrailer
	}
	found, err := l.recall(file, &identity{wire: s.Descriptor.Object()}, never)
	if err != nil {
		return s, err
	}
	l.addRecords(found)
	s.Needed, s.Records, s.AllRecords = geo.DataShards, l.records, tree.Groups*uint64(tree.Records)
	scan := scan{disk: newDisk(readOnly{file}, at, nil), leaves: l, aborted: never}
	for g := range uint32(geo.Groups) {
		scan.group, scan.known, scan.free = g, l.knownOf(g), scan.free[:0]
		for i := range geo.RealShards(g) {
			scan.free = append(scan.free, i)
		}
		f, err := scan.run()
		if err != nil {
			return s, err
		}
		s.Data += uint64(len(f.data))
		s.Parity += uint64(len(f.parity))
	}
	return s, nil
}

// readOnly is a Store to look at.
type readOnly struct{ io.ReaderAt }

func (readOnly) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (readOnly) Reserve(int64) error                { return errors.ErrUnsupported }
func (readOnly) Sync() error                        { return errors.ErrUnsupported }
func (readOnly) Discard() error                     { return errors.ErrUnsupported }
func (readOnly) Found() int64                       { return 0 }
