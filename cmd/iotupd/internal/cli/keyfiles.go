// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
)

// ReadTrusted returns the keys that --trust names.
func ReadTrusted(paths []string) ([]proto.PublicKey, error) {
	trusted, err := keys.ReadFiles(paths...)
	if err != nil {
		return nil, KeyFileError(fmt.Errorf("--trust %w", err))
	}
	return trusted, nil
}

// ReadGroupKey returns the group of a key file; nil if no file is named.
func ReadGroupKey(path string) (*seal.GroupKey, error) {
	if path == "" {
		return nil, nil
	}
	key, err := keys.ReadGroupKey(path)
	if err != nil {
		return nil, KeyFileError(fmt.Errorf("--group-key %w", err))
	}
	return key, nil
}

// WarnExposed warns of files with a secret that every user of this host can read
// or write. Group permissions are assumed to be intentional. Empty paths are
// skipped.
func (o *Output) WarnExposed(paths ...string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !permissionsCount || info.Mode().Perm()&0o006 == 0 {
			continue
		}
		o.Warn(Warning{Code: reason.Exposed, Text: "every user of this host has access to the secret key in " + path, Fix: "chmod o= " + path})
	}
}

// permissionsCount says whether the mode bits of files are real on this system,
// or made up.
const permissionsCount = runtime.GOOS != "windows"

// KeyFileError gives an error of a key file its exit code: a file that cannot be
// read is a local error, and a file that is not a key is the wrong file. The
// error of a signal that came while a password was asked for has an exit code
// already.
func KeyFileError(err error) error {
	if errors.As(err, new(SignalError)) {
		return err
	}
	if errors.As(err, new(syscall.Errno)) {
		return WithCode(ExitLocalIO, err)
	}
	return WithCode(ExitUsage, err)
}
