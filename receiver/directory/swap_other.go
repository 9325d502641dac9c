// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package directory

import "os"

// exchange is not possible here.
func exchange(*os.Root, string, string) error { return errNoExchange }
