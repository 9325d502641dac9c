// SPDX-License-Identifier: GPL-2.0-or-later

package proto

// A Reason says why a datagram is ignored. It is an error that costs nothing
// to return, and a stable word that counters and JSON use as a key.
type Reason string

// Error makes a Reason an error.
func (r Reason) Error() string { return "datagram ignored: " + string(r) }

// Reasons of the wire format, in the order in which they are checked
// (spec.md 7.1). Receivers add their own.
const (
	ReasonLength   Reason = "length"   // not 8*hwords + S bytes
	ReasonMagic    Reason = "magic"    // not iotupd
	ReasonVersion  Reason = "version"  // a later version
	ReasonType     Reason = "type"     // an unknown packet type
	ReasonFlags    Reason = "flags"    // an unknown flag
	ReasonChecksum Reason = "checksum" // damaged on the way
	ReasonGeometry Reason = "geometry" // fields that contradict each other or the object
	ReasonDigest   Reason = "digest"   // hash records with an invalid proof
)
