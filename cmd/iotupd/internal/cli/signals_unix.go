// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"
)

// statusRequests returns a channel that gets SIGUSR1: one status line, please.
func statusRequests() (requests <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	return ch, func() { signal.Stop(ch) }
}
