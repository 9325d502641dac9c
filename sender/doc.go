// SPDX-License-Identifier: GPL-2.0-or-later

// Package sender decides which datagram of an object to send, and when.
//
// [Prepare] turns a file into an [Object]: it hashes and encodes it once. A
// [Sender] then sends the object's shards in a carousel, over and over, at a
// paced rate. It takes a time and gives back datagrams; [Run] is the loop around
// it that owns the socket and the clock. Nothing ever comes back from receivers.
package sender
