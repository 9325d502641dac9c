// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// Reasons to ignore a datagram, beside those of package proto and the one of
// package seal (spec.md 7.1).
const (
	ReasonSealed        proto.Reason = "sealed"         // encrypted, and there is no key
	ReasonUnsealed      proto.Reason = "unsealed"       // not encrypted, but only sealed packets are accepted
	ReasonOtherObject   proto.Reason = "other-object"   // an object that was not chosen
	ReasonTooLarge      proto.Reason = "too-large"      // the object is over a limit
	ReasonTooMany       proto.Reason = "too-many"       // more objects than Config.MaxObjects
	ReasonMemory        proto.Reason = "memory"         // the object needs more memory than Config.MemoryLimit
	ReasonManifest      proto.Reason = "manifest"       // a manifest that does not fit its object
	ReasonSignatureRate proto.Reason = "signature-rate" // more signatures than are verified in that time
	ReasonSignature     proto.Reason = "signature"      // no trusted key has signed the manifest
	ReasonChannel       proto.Reason = "channel"        // a signed manifest of another channel
	ReasonTarget        proto.Reason = "target"         // a signed manifest for other hardware
	ReasonExpired       proto.Reason = "expired"        // a signed manifest whose time is over
	ReasonRollback      proto.Reason = "rollback"       // a signed manifest older than what was installed
	ReasonDuplicate     proto.Reason = "duplicate"      // this shard or record is held already
	ReasonNotNeeded     proto.Reason = "not-needed"     // its group has all it needs
	ReasonBusy          proto.Reason = "busy"           // too much waits to be written
	ReasonScanning      proto.Reason = "adopting"       // its group is being compared with bytes on disk, or its parity is made again
	ReasonForged        proto.Reason = "forged"         // a shard that is not what its leaf says
	ReasonUnverified    proto.Reason = "unverified"     // no leaf is known for it, in a group that was forged
)
