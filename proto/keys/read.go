// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"iotupd/proto"
)

// maxFileLen is far more than a key file has.
const maxFileLen = 4096

// ReadSecretKey is [ParseSecretKey] of a file. Errors name the file.
func ReadSecretKey(path string, password func() ([]byte, error)) (SecretKey, error) {
	b, err := readFile(path)
	if err != nil {
		return SecretKey{}, err
	}
	key, err := ParseSecretKey(b, password)
	return key, named(path, err)
}

// ReadFiles reads the public keys in files, and in those files of directories
// that are called *.pub. A directory without any is an error. A key that is there
// twice is returned once. Errors name the file.
func ReadFiles(paths ...string) ([]proto.PublicKey, error) {
	var trusted []proto.PublicKey
	for _, path := range paths {
		files, err := keyFiles(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			b, err := readFile(file)
			if err != nil {
				return nil, err
			}
			key, _, err := ParsePublicKey(b)
			if err != nil {
				return nil, named(file, err)
			}
			if !slices.Contains(trusted, key) {
				trusted = append(trusted, key)
			}
		}
	}
	return trusted, nil
}

// keyFiles returns the files that a path stands for.
func keyFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, named(path, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, named(path, err)
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".pub" {
			continue
		}
		file := filepath.Join(path, e.Name())
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: not a regular file", file) // a pipe would be waited for
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no file *.pub in this directory", path)
	}
	return files, nil
}

// readFile reads a short file.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, named(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileLen+1))
	if err == nil && len(b) > maxFileLen {
		err = errors.New("too long for a key file")
	}
	return b, named(path, err)
}

// named puts the name of a file before what is wrong with it, once.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	if in := (*fs.PathError)(nil); errors.As(err, &in) {
		err = in.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
