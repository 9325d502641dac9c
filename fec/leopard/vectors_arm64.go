// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !purego

package leopard

// hasVectors: every 64-bit ARM that Go runs on has NEON.
func hasVectors() bool { return true }
