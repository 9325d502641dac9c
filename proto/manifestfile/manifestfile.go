// SPDX-License-Identifier: GPL-2.0-or-later

// Package manifestfile reads and writes manifests as files: those that iotupd
// sign makes, and iotupd send takes. Whether a key that one trusts has signed a
// manifest is for [proto.Signers].
package manifestfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
)

// Suffix is put behind the name of a file to name its manifest.
const Suffix = ".iotupd"

// A FileError says that a file cannot be read or written.
type FileError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// A ContentError says that a file is not a manifest.
type ContentError struct {
	Path string
	Kind string // what it is instead, such as "public key"; empty: that is not known
	Near string // path of a file that may be meant; empty: there is none
	Err  error  // why it is not a manifest
}

// Error implements error.
func (e *ContentError) Error() string {
	if e.Kind != "" {
		return fmt.Sprintf("%s is a %s, not a manifest", e.Path, e.Kind)
	}
	why := strings.TrimPrefix(strings.TrimPrefix(e.Err.Error(), "proto: "), "invalid manifest")
	if why = strings.TrimPrefix(why, ": "); why != "" {
		why = ": " + why
	}
	if e.Near != "" {
		why += "; did you mean " + e.Near + "?"
	}
	return fmt.Sprintf("%s is not a manifest that iotupd sign wrote%s", e.Path, why)
}

// Unwrap returns the cause.
func (e *ContentError) Unwrap() error { return e.Err }

// Read reads a manifest from a file. Errors are of type [*FileError] or
// [*ContentError].
func Read(path string) (*proto.Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &FileError{path, durable.Cause(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, proto.MaxShardSize+1)) // more does not fit a packet
	if err != nil {
		return nil, &FileError{path, durable.Cause(err)}
	}
	return parse(path, b)
}

// parse reads the content of the file at path.
func parse(path string, b []byte) (*proto.Manifest, error) {
	m, err := proto.ParseManifest(b)
	if err != nil {
		wrong := &ContentError{Path: path, Kind: keyKind(b), Err: err}
		if _, err := os.Stat(path + Suffix); err == nil {
			wrong.Near = path + Suffix
		}
		return nil, wrong
	}
	return m, nil
}

// keyKind names the kind of key that a file holds, empty if none.
func keyKind(content []byte) string {
	if _, _, err := keys.ParsePublicKey(content); err == nil {
		return "public key"
	}
	if _, err := seal.ParseKey(content); err == nil {
		return "group key"
	}
	locked := errors.New("locked")
	_, err := keys.ParseSecretKey(content, func() ([]byte, error) { return nil, locked })
	if err == nil || errors.Is(err, locked) {
		return "secret key"
	}
	return ""
}

// Write makes a file of m, or replaces one, in one step. Everybody may read it,
// whatever the umask. Errors are of type [*FileError].
func Write(path string, m *proto.Manifest) error {
	if err := durable.ReplaceFile(path, m.AppendTo(nil), 0o644); err != nil {
		return &FileError{path, durable.Cause(err)}
	}
	return nil
}
