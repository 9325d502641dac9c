// SPDX-License-Identifier: GPL-2.0-or-later

// Package manifestfile reads and writes manifests as files.
package manifestfile

import (
	"io"
	"os"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/proto"
)

// Suffix is put behind the name of a file to name its manifest.
const Suffix = ".iotupd"

// Read reads a manifest from a file.
func Read(path string) (*proto.Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.LocalError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, proto.MaxShardSize+1)) // more does not fit a packet
	if err != nil {
		return nil, cli.LocalError(path, err)
	}
	m, err := proto.ParseManifest(b)
	if err != nil {
		return nil, noManifest(path, b, err)
	}
	return m, nil
}

// noManifest says what a file is, or may be, that is no manifest because of err.
func noManifest(path string, content []byte, err error) error {
	if kind := cli.KeyKind(content); kind != "" {
		return cli.UsageError("%s is a %s, not a manifest", path, kind)
	}
	why := strings.TrimPrefix(err.Error(), "proto: invalid manifest")
	if _, err := os.Stat(path + Suffix); err == nil {
		why += "; did you mean " + path + Suffix + "?"
	}
	return cli.UsageError("%s is not a manifest that iotupd sign wrote%s", path, why)
}

// Write makes a file of m, or replaces one at once. It is public,
// whatever the umask.
func Write(path string, m *proto.Manifest) error {
	if err := durable.ReplaceFile(path, m.AppendTo(nil), 0o644); err != nil {
		return cli.LocalError(path, err)
	}
	return nil
}
