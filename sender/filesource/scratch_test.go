// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFailuresOfTheTemporaryFileNameIt(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "parity.tmp"))
	check(t, err)
	check(t, f.Close())
	_, read := scratchFile{File: f}.ReadAt(make([]byte, 1), 0)
	_, wrote := scratchFile{File: f}.WriteAt(make([]byte, 1), 0)
	for _, err := range []error{read, wrote} {
		if !errors.As(err, new(*FileError)) || !strings.Contains(err.Error(), "parity.tmp: ") {
			t.Errorf("got %v, want a FileError with the name of the file", err)
		}
	}
}
