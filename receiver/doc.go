// SPDX-License-Identifier: GPL-2.0-or-later

// Package receiver decides what is still missing of an object, and stores and
// rebuilds it.
//
// A [Receiver] takes a time and a datagram, checks it, and puts the payload
// straight to its place in the output: a data shard where it belongs, a parity
// shard where a shard of its group is still missing. Memory holds an index,
// never the file. Work that takes long, decoding and the final hash, is handed
// out as a [Job] for any goroutine. [Run] is the loop around it all that owns
// sockets and clock.
//
// If the object has digests, every shard is compared with its leaf as soon as
// that is known, at its arrival or later, so that forged packets do not spoil
// the file; and what an earlier run or an older file has is not received again.
// A [Policy] says whose files to take.
package receiver
