// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"io"
	"os"
)

// ErrStdoutClosed says that output to stdout is lost.
var ErrStdoutClosed = errors.New("stdout is closed, or was opened as /dev/null to read and write: the output would be lost")

// Stdout is the standard output of this process. If that was closed, each write fails.
func Stdout() io.Writer {
	if isStandIn(os.Stdout) {
		return closedStdout{}
	}
	return os.Stdout
}

type closedStdout struct{}

func (closedStdout) Write([]byte) (int, error) { return 0, ErrStdoutClosed }

// CheckStdout returns an error if what is written to w is lost.
func CheckStdout(w io.Writer) error {
	if _, closed := w.(closedStdout); closed {
		return WithCode(ExitLocalIO, ErrStdoutClosed)
	}
	return nil
}
