// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// makeSocket makes a socket, whose path may be longer than an address.
func makeSocket(t *testing.T, path string) error {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	short := filepath.Join(dir, "s")
	l, err := net.Listen("unix", short)
	if err != nil {
		t.Skip("no sockets here: ", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	return os.Rename(short, path)
}
