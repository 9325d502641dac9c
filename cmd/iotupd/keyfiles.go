// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"iotupd/internal/keys"
	"iotupd/internal/seal"
	"iotupd/proto"
)

// readTrusted returns the keys that --trust names.
func readTrusted(paths []string) ([]proto.PublicKey, error) {
	trusted, err := keys.ReadTrusted(paths)
	if err != nil {
		return nil, keyFileError(fmt.Errorf("--trust %w", err))
	}
	return trusted, nil
}

// readGroupKey returns the group of a key file; nil if no file is named.
func readGroupKey(path string) (*seal.Group, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, localError("--group-key "+path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1024)) // of a file of 65 bytes
	if err != nil {
		return nil, localError("--group-key "+path, err)
	}
	key, err := seal.ParseKey(b)
	if err != nil {
		return nil, usageError("--group-key %s: %w", path, err)
	}
	return seal.NewGroup(key), nil
}

// warnOpenKeys warns of files with a secret that every user of this host can
// read or write. What a group may do is taken for intended.
func warnOpenKeys(out *output, paths ...string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o006 == 0 {
			continue
		}
		out.warn(warning{
			Code: "open-key",
			Text: fmt.Sprintf("%s is no secret: every user of this host has access to it", path),
			Fix:  "chmod o= " + path,
		})
	}
}

// keyFileError gives an error of a key file its exit code: what cannot be read
// is a local matter, what is no key is the wrong file.
func keyFileError(err error) error {
	if errors.As(err, new(syscall.Errno)) {
		return withCode(exitLocalIO, err)
	}
	return withCode(exitUsage, err)
}
