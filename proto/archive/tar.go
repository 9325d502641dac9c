// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	blockLen   = 512
	trailerLen = 2 * blockLen // two blocks of zeros end an archive
	nameLen    = 100          // of the fields for names in a header
	prefixLen  = 155          // of the field for what is before the name
)

func padded(n uint64) uint64 { return (n + blockLen - 1) / blockLen * blockLen }

// appendHeader appends all that the archive has of entry i before its content: an extended
// header if one is needed, the header, and the map of a sparse file, each in whole blocks
// (spec.md 6.7).
func (inv *Inventory) appendHeader(b []byte, i int, e *Entry) []byte {
	h := header{entry: e, name: e.Path, size: e.Stored()}
	switch e.Type {
	case Directory:
		if h.name += "/"; e.Path == "" {
			h.name = "./"
		}
	case Symlink:
		h.link = e.Target
	case HardLink:
		to := inv.head(e.LinkedTo)
		h.link = to.Path
		h.like = &to
	}
	var sparse []byte
	if e.Type == SparseFile {
		sparse = appendMap(nil, e)
		h.size += uint64(len(sparse))
	}
	if records := h.records(); len(records) > 0 {
		of := Entry{Type: File, Mode: 0o644}
		x := header{entry: &of, name: "PaxHeaders/" + strconv.Itoa(i), size: uint64(len(records))}
		b = x.appendBlock(b, 'x')
		b = appendPadded(b, records)
	}
	b = h.appendBlock(b, typeFlags[e.Type])
	return append(b, sparse...)
}

var typeFlags = [types]byte{Directory: '5', File: '0', SparseFile: '0', Symlink: '2', HardLink: '1', CharDevice: '3', BlockDevice: '4', FIFO: '6'}

// A header is what the header of an entry says, and perhaps its extended header.
type header struct {
	entry *Entry
	name  string
	link  string
	size  uint64
	like  *Entry // file of a hard link, whose mode and owner the header has; nil: the entry itself
}

// Limits of the fields of a header; what is over them is in the extended header.
const (
	maxOctal7  = 1<<21 - 1
	maxOctal11 = 1<<33 - 1
)

// attributes returns the entry whose mode, time and owner the header has.
func (h *header) attributes() *Entry {
	if h.like != nil {
		return h.like
	}
	return h.entry
}

// appendBlock appends the header, with a type.
//
//	name (100) | mode (8) | user (8) | group (8) | size (12) | time (12) | checksum (8) | type (1)
//	link (100) | "ustar\0" "00" | name of user (32) | of group (32) | major (8) | minor (8) | prefix (155) | 0 (12)
func (h *header) appendBlock(b []byte, flag byte) []byte {
	e := h.attributes()
	start := len(b)
	b = append(b, make([]byte, blockLen)...)
	block := b[start:]
	prefix, name, _ := splitName(h.name)
	copy(block[:nameLen], name)
	copy(block[345:345+prefixLen], prefix)
	octal(block[100:108], uint64(e.Mode))
	octal(block[108:116], within(uint64(e.User), maxOctal7))
	octal(block[116:124], within(uint64(e.Group), maxOctal7))
	octal(block[124:136], within(h.size, maxOctal11))
	octal(block[136:148], uint64(min(max(e.Seconds, 0), maxOctal11)))
	block[156] = flag
	copy(block[157:157+nameLen], h.link)
	copy(block[257:], "ustar\x0000")
	octal(block[329:337], uint64(e.Major))
	octal(block[337:345], uint64(e.Minor))
	copy(block[148:156], "        ")
	sum := uint64(0)
	for _, c := range block {
		sum += uint64(c)
	}
	octal(block[148:155], sum)
	return b
}

// splitName returns the fields prefix and name of a header, and whether the name fits: a long
// one is split at the first "/" behind which the rest fits.
func splitName(s string) (prefix, name string, fits bool) {
	if len(s) <= nameLen {
		return "", s, true
	}
	for i := len(s) - nameLen - 1; i < len(s)-1 && i <= prefixLen; i++ {
		if s[i] == '/' {
			return s[:i], s[i+1:], true
		}
	}
	return "", s, false
}

// within returns n, or 0 if that does not fit into a field: then the extended header has it.
func within(n, most uint64) uint64 {
	if n > most {
		return 0
	}
	return n
}

// octal fills a field with a number in octal digits and a byte of zero.
func octal(field []byte, n uint64) {
	for i := len(field) - 2; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
	field[len(field)-1] = 0
}

// records returns the records of the extended header; empty: it needs none.
func (h *header) records() (b []byte) {
	e := h.entry
	_, _, fits := splitName(h.name)
	longName, longLink := !fits, len(h.link) > nameLen
	if longName && !utf8.ValidString(h.name) || longLink && !utf8.ValidString(h.link) {
		b = appendRecord(b, "hdrcharset", "BINARY")
	}
	if longName {
		b = appendRecord(b, "path", h.name)
	}
	if longLink {
		b = appendRecord(b, "linkpath", h.link)
	}
	if h.size > maxOctal11 {
		b = appendRecord(b, "size", strconv.FormatUint(h.size, 10))
	}
	if user := h.attributes().User; user > maxOctal7 {
		b = appendRecord(b, "uid", strconv.FormatUint(uint64(user), 10))
	}
	if group := h.attributes().Group; group > maxOctal7 {
		b = appendRecord(b, "gid", strconv.FormatUint(uint64(group), 10))
	}
	for _, x := range e.Xattrs {
		b = appendRecord(b, "SCHILY.xattr."+x.Name, x.Value)
	}
	if e.Type == SparseFile {
		b = appendRecord(b, "GNU.sparse.major", "1")
		b = appendRecord(b, "GNU.sparse.minor", "0")
		b = appendRecord(b, "GNU.sparse.name", h.name)
		b = appendRecord(b, "GNU.sparse.realsize", strconv.FormatUint(e.Size, 10))
	}
	return b
}

// appendRecord appends a record: its length in decimal digits, which counts itself, a space,
// key=value, and a newline.
func appendRecord(b []byte, key, value string) []byte {
	rest := len(key) + len(value) + 3
	n := rest + len(strconv.Itoa(rest))
	if len(strconv.Itoa(n)) > len(strconv.Itoa(rest)) {
		n++
	}
	return fmt.Appendf(b, "%d %s=%s\n", n, key, value)
}

// appendMap appends the map of a sparse file: the number of extents, and offset and length of
// each, as lines of decimal digits. Zeros at the end are an empty extent there.
func appendMap(b []byte, e *Entry) []byte {
	all := e.Extents
	if len(all) == 0 || all[len(all)-1].Offset+all[len(all)-1].Length < e.Size {
		all = append(all[:len(all):len(all)], Extent{Offset: e.Size})
	}
	b = fmt.Appendf(b, "%d\n", len(all))
	for _, x := range all {
		b = fmt.Appendf(b, "%d\n%d\n", x.Offset, x.Length)
	}
	return append(b, make([]byte, padded(uint64(len(b)))-uint64(len(b)))...)
}

func appendPadded(b, content []byte) []byte {
	b = append(b, content...)
	return append(b, make([]byte, padded(uint64(len(content)))-uint64(len(content)))...)
}
