// SPDX-License-Identifier: GPL-2.0-or-later

// Package proto is the wire format of iotupd, version 1: datagram header,
// geometry, object identity, manifest, group addresses. The normative text is
// spec.md beside this file; comments cite its sections.
//
// Every datagram is one header and one payload of exactly one shard size:
//
//	| header 56 B, same at all senders | path word 8 B, this sender's | payload S B |
//
// The package only turns values into bytes and back. It keeps no state, reads no
// clock and does no I/O; all its functions are safe for concurrent use. Packets
// from the network are parsed without allocation, and each packet that parses
// encodes to the same bytes again.
package proto
