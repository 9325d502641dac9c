// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package directory

import "testing"

// usedBy does not know how many bytes a directory takes.
func usedBy(*testing.T, string) uint64 { return 0 }
