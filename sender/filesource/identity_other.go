// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package filesource

import "os"

// identity has nothing to add to the path, the size and the time of f here.
func identity(*os.File) (string, error) { return "", nil }
