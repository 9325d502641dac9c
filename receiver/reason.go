// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// Reasons to ignore a datagram, beside those of package proto (spec.md 7.1).
const (
	ReasonDuplicate   proto.Reason = "duplicate"    // this shard is held already
	ReasonNotNeeded   proto.Reason = "not-needed"   // its group has all it needs
	ReasonOtherObject proto.Reason = "other-object" // an object that was not chosen
	ReasonSealed      proto.Reason = "sealed"       // encrypted, and there is no key
	ReasonManifest    proto.Reason = "manifest"     // a manifest that does not fit its object
	ReasonTooLarge    proto.Reason = "too-large"    // the object is over a limit
)
