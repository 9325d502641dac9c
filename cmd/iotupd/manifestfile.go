// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/proto"
)

// manifestSuffix is put behind the name of a file to name its manifest.
const manifestSuffix = ".iotupd"

// sentName returns the name that receivers are told of a file: that of the flag
// --name, or its own.
func sentName(path, flag string) (string, error) {
	name := cmp.Or(flag, filepath.Base(path))
	if err := proto.CheckName(name); err != nil {
		return "", cli.UsageError("%w; give it another one by --name", err)
	}
	return name, nil
}

// readManifest reads a manifest from a file.
func readManifest(path string) (*proto.Manifest, error) {
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
	if _, err := os.Stat(path + manifestSuffix); err == nil {
		why += "; did you mean " + path + manifestSuffix + "?"
	}
	return cli.UsageError("%s is not a manifest that iotupd sign wrote%s", path, why)
}

// mayReplace refuses to put a manifest in the place of another kind of file:
// the one to sign, or the key to sign with.
func mayReplace(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := readManifest(path); err != nil {
		return cli.UsageError("%s is there already, and is no manifest; name another file by --output", path)
	}
	return nil
}

// writeManifest makes a file of m, or replaces one at once. It is public,
// whatever the umask.
func writeManifest(path string, m *proto.Manifest) error {
	if err := durable.ReplaceFile(path, m.AppendTo(nil), 0o644); err != nil {
		return cli.LocalError(path, err)
	}
	return nil
}
