// SPDX-License-Identifier: GPL-2.0-or-later

package manifestfile

import (
	"errors"
	"io"
	"os"

	"iotupd/internal/durable"
	"iotupd/proto"
)

// IsSet reports whether a file begins as the manifests of a set do, which iotupd sign
// --set writes. Errors are of type [*FileError].
func IsSet(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, &FileError{path, durable.Cause(err)}
	}
	defer f.Close()
	b := make([]byte, len(proto.CatalogueMagic))
	switch _, err := io.ReadFull(f, b); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return false, nil
	case err != nil:
		return false, &FileError{path, durable.Cause(err)}
	}
	return string(b) == proto.CatalogueMagic, nil
}

// ReadSet reads the manifests of a set, and the manifest that lies beside them. Whether the
// two belong together, and the latter is one of a set, is not checked. Errors are of type
// [*FileError] or [*ContentError].
func ReadSet(path string) (content []byte, m *proto.Manifest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, &FileError{path, durable.Cause(err)}
	}
	defer f.Close()
	if content, err = io.ReadAll(io.LimitReader(f, proto.MaxCatalogueBytes+1)); err != nil {
		return nil, nil, &FileError{path, durable.Cause(err)}
	}
	m, err = Read(path + Suffix)
	return content, m, err
}
