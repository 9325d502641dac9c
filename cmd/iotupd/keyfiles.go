// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
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
func readGroupKey(path string) (*seal.GroupKey, error) {
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
	return seal.NewGroupKey(key), nil
}

// warnExposed warns of files with a secret that every user of this host can read
// or write. What a group may do is taken for intended. No path is no file.
func (o *output) warnExposed(paths ...string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !permissionsCount || info.Mode().Perm()&0o006 == 0 {
			continue
		}
		o.warn(warning{Code: "exposed", Text: "every user of this host has access to the secret key in " + path, Fix: "chmod o= " + path})
	}
}

// permissionsCount tells whether the system has permissions by which it decides;
// else they are made up.
const permissionsCount = runtime.GOOS != "windows"

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

// keyFileError gives an error of a key file its exit code: what cannot be read
// is a local matter, what is no key is the wrong file.
func keyFileError(err error) error {
	if errors.As(err, new(syscall.Errno)) {
		return withCode(exitLocalIO, err)
	}
	return withCode(exitUsage, err)
}
