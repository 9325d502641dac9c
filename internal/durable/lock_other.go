// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix && !windows

package durable

import "os"

// Lock fails, since there is no such thing.
func Lock(*os.File) (bool, error) { return false, ErrNoLocks }

// Unlock fails, too.
func Unlock(*os.File) error { return ErrNoLocks }
