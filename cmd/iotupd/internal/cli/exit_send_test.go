// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend

package cli

import (
	"testing"

	"iotupd/sender/filesource"
)

func TestAFileThatChangedIsACauseOfItsOwn(t *testing.T) {
	err := &filesource.ChangedError{}
	if got, code := ExitCode(err), Code(err); got != 11 || code != "file-changed" {
		t.Errorf("got exit code %d, %s", got, code)
	}
}
