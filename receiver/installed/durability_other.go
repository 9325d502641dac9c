// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package installed

// Lasting does not know.
func Lasting(string) error { return nil }

// IsReadOnly does not know.
func IsReadOnly(string) bool { return false }
