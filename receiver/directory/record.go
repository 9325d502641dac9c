// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// A record says what iotupd has put at NAME: which directory it is, of which object, and
// the stamps of all its entries.
//
//	"IUDIR\x00\x00\x01" | descriptors of archive and inventory (64 each) | what is preserved (1)
//	inode (8) | birth (12) | length (2) | NAME | length (4) | inventory | stamps | SHA-256 of all before (32)
type record struct {
	name      string
	archive   proto.Descriptor
	inventory proto.Descriptor
	preserve  archive.Preserve
	root      identity
	entries   *archive.Inventory
	stamps    []byte // of the entries, one after the other
}

const (
	recordMagic = "IUDIR\x00\x00\x01"
	recordHead  = len(recordMagic) + 64 + 64 + 1 + 8 + 12 + 2

	// maxRecord is the length of the largest record, in bytes.
	maxRecord = recordHead + proto.MaxNameLen + 4 + archive.MaxInventory + archive.MaxEntries*stampLen + sha256.Size

	// recordMode keeps others from reading the names of files in a directory that
	// they may not read.
	recordMode = 0o600
)

// of reports whether the record is of the object of m.
func (r *record) of(m *proto.Manifest) bool {
	return r.archive == m.Descriptor && r.inventory == m.Inventory
}

func (r *record) stamp(i int) stamp { return parseStamp(r.stamps[i*stampLen:]) }

func (r *record) appendTo(b []byte) []byte {
	b = append(b, recordMagic...)
	b = r.inventory.AppendTo(r.archive.AppendTo(b))
	b = append(b, bitsOf(r.preserve))
	b = binary.BigEndian.AppendUint64(b, r.root.inode)
	b = r.root.birth.appendTo(b)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.name)))
	b = append(b, r.name...)
	raw := r.entries.Bytes()
	b = binary.BigEndian.AppendUint32(b, uint32(len(raw)))
	b = append(append(b, raw...), r.stamps...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func bitsOf(p archive.Preserve) (bits byte) {
	for i, is := range []bool{p.Owners, p.Xattrs, p.Special} {
		if is {
			bits |= 1 << i
		}
	}
	return bits
}

var errRecord = errors.New("invalid record")

// parseRecord reads a record. It keeps b.
func parseRecord(b []byte) (r *record, err error) {
	if len(b) < recordHead+4+sha256.Size || !bytes.HasPrefix(b, []byte(recordMagic)) {
		return nil, errRecord
	}
	body := b[:len(b)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(body):]) {
		return nil, errRecord
	}
	rest := body[len(recordMagic):]
	r = new(record)
	if r.archive, err = proto.ParseDescriptor(rest[:64]); err != nil {
		return nil, err
	}
	if r.inventory, err = proto.ParseDescriptor(rest[64:128]); err != nil {
		return nil, err
	}
	bits := rest[128]
	r.preserve = archive.Preserve{Owners: bits&1 != 0, Xattrs: bits&2 != 0, Special: bits&4 != 0}
	r.root = identity{binary.BigEndian.Uint64(rest[129:]), parseMoment(rest[137:])}
	rest = rest[149:]
	n := int(binary.BigEndian.Uint16(rest))
	if len(rest) < 2+n+4 {
		return nil, errRecord
	}
	r.name, rest = string(rest[2:2+n]), rest[2+n:]
	length := binary.BigEndian.Uint32(rest)
	if rest = rest[4:]; uint64(len(rest)) < uint64(length) {
		return nil, errRecord
	}
	if r.entries, err = archive.Parse(rest[:length:length], archive.MaxEntries); err != nil {
		return nil, err
	}
	if r.stamps = rest[length:]; len(r.stamps) != r.entries.Len()*stampLen {
		return nil, errRecord
	}
	return r, nil
}

// readRecord returns the record in the file called name; nil: there is none that is valid.
func readRecord(dir *os.Root, name string) *record {
	info, err := dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > int64(maxRecord) {
		return nil
	}
	f, err := durable.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil || !durable.OwnedAlone(f) {
		return nil // somebody else may have made it
	}
	r, err := parseRecord(b)
	if err != nil {
		return nil
	}
	return r
}

// recordOf returns the record of the directory root, which is at NAME; nil: iotupd did not
// make it. During an exchange there are two records, of the old and of the new directory.
func (p *Place) recordOf(name string, root *os.Root) *record {
	id, err := identify(root)
	if err != nil {
		return nil
	}
	h := p.hidden(name)
	for _, suffix := range []string{recordSuffix, nextSuffix} {
		if r := readRecord(p.dir, h.with(suffix)); r != nil && r.name == name && r.root.is(id) {
			return r
		}
	}
	return nil
}
