// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !purego

package sha256pair

var hasSHA = detect()

// available reports whether blocks works on this machine.
func available() bool { return hasSHA }

// detect reports whether the processor has SSSE3, SSE4.1 and the instructions for
// SHA-256.
func detect() bool

// blocks takes n blocks of 64 bytes of each message.
//
//go:noescape
func blocks(states *[2]state, a, b *byte, n int)
