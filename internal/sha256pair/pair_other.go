// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !amd64 || purego

package sha256pair

func available() bool { return false }

func blocks(*[2]state, *byte, *byte, int) { panic("sha256pair: no instructions for SHA-256") }
