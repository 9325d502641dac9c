// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
)

func TestFailuresOfTheTemporaryFileAreLocalAndNameIt(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "parity.tmp"))
	check(t, err)
	check(t, f.Close())
	_, read := scratchFile{File: f}.ReadAt(make([]byte, 1), 0)
	_, wrote := scratchFile{File: f}.WriteAt(make([]byte, 1), 0)
	for _, err := range []error{read, wrote} {
		if cli.ExitCode(err) != cli.ExitLocalIO || !strings.Contains(err.Error(), "parity.tmp: ") {
			t.Errorf("got %v with exit code %d, want the name of the file and %d", err, cli.ExitCode(err), cli.ExitLocalIO)
		}
	}
}
