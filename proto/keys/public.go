// SPDX-License-Identifier: GPL-2.0-or-later

// Package keys reads and writes the key files of minisign 0.11, so that one tool
// can make them and the other use them. What is signed differs: iotupd signs
// manifests (spec.md 5.5), minisign files.
package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"iotupd/proto"
)

const (
	// algorithm names Ed25519, in both kinds of files.
	algorithm = "Ed"
	// commentPrefix begins the first line of a file. The comment is not signed.
	commentPrefix = "untrusted comment: "

	publicLen = 2 + 8 + 32 // algorithm, key id, key
	idAt      = 2
	publicAt  = 10
)

// encoding is that of both kinds of files. It is strict, so that a key has one
// text only.
var encoding = base64.StdEncoding.Strict()

var errPublic = errors.New("not a public key file of minisign: want a comment line and 56 characters of base64, or these alone")

// ParsePublicKey reads a public key: its file, or only the line of base64 in it.
// The comment is the first line of the file without its prefix, if it is
// printable.
func ParsePublicKey(b []byte) (key proto.PublicKey, comment string, err error) {
	comment, raw, err := parseLines(b)
	if err != nil || len(raw) != publicLen || string(raw[:idAt]) != algorithm {
		return proto.PublicKey{}, "", errPublic
	}
	return proto.PublicKey{ID: proto.KeyID(raw[idAt:]), Key: [32]byte(raw[publicAt:])}, comment, nil
}

// AppendPublicKey appends the file of a key to b.
func AppendPublicKey(b []byte, key proto.PublicKey) []byte {
	raw := slices.Concat([]byte(algorithm), key.ID[:], key.Key[:])
	return appendLines(b, "iotupd public key "+key.ID.String(), raw)
}

// appendLines appends a file to b.
func appendLines(b []byte, comment string, raw []byte) []byte {
	b = append(b, commentPrefix+comment+"\n"...)
	b = encoding.AppendEncode(b, raw)
	return append(b, '\n')
}

var errLines = errors.New("keys: not a comment and a line of base64")

// parseLines reads a file that [appendLines] wrote. The comment may be missing,
// and line ends may be those of Windows.
func parseLines(b []byte) (comment string, raw []byte, err error) {
	text, _ := bytes.CutSuffix(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"))
	first, second, two := strings.Cut(string(text), "\n")
	if two {
		var ok bool
		if comment, ok = strings.CutPrefix(first, commentPrefix); !ok || !prints(comment) {
			return "", nil, errLines
		}
		first = second
	}
	if strings.ContainsAny(first, "\r\n") { // which base64 would skip
		return "", nil, errLines
	}
	if raw, err = encoding.DecodeString(first); err != nil {
		return "", nil, errLines // without what was read: it may be secret
	}
	return comment, raw, nil
}

func prints(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
