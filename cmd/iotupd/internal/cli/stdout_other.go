// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package cli

import "os"

// isStandIn is false: a closed file is not replaced here.
func isStandIn(*os.File) bool { return false }
