// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package cli

import "os"

// statusRequests returns a channel that gets nothing: there is no such signal
// on this system.
func statusRequests() (requests <-chan os.Signal, stop func()) {
	return nil, func() {}
}
