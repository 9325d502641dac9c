// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"time"

	"iotupd/proto"
)

// An Event reports progress of a transfer to Config.Observe.
type Event interface{ receiverEvent() }

type (
	// ObjectFound: an object was chosen. Certified follows at once.
	ObjectFound struct {
		Object proto.ObjectID
		Params proto.Params
		From   Origin    // of its manifest
		Since  time.Time // arrival of its first useful packet
	}

	// Certified: the manifest of the chosen object. It must not be changed.
	Certified struct {
		Manifest *proto.Manifest
		Signers  []proto.PublicKey // all trusted ones, in the order of Policy.Keys; nil: no signature was asked for

		// Release is what to remember once the file is installed. It has the object id of the
		// catalogue if only that is signed (spec.md 5.5).
		Release Release
	}

	// Resumed: the partial file of an earlier run has been compared with the
	// leaves in it. More shards may be found later, see [Progress].
	Resumed struct {
		Shards uint64 // of the earlier run, parity included
		Reused uint64 // of seeds
	}

	// Forged: shards that had been stored do not match their leaves. Their group
	// goes on without them and without other unverified shards.
	Forged struct {
		Group  uint32
		Shards int // at least this many
	}

	// Dropped: the object was given up, for another one or because its manifest
	// is no longer to be followed.
	Dropped struct {
		Object proto.ObjectID
		Why    string
	}

	// Refused: a manifest of another object than the chosen one, or one that is
	// not followed. It is reported once for each object, and for a bounded
	// number of objects. If signatures are required, manifests without a
	// trusted signature have a bound of their own.
	Refused struct {
		Object proto.ObjectID
		Name   string // empty if nobody trusted has signed it
		Size   uint64 // of the file in bytes, with Name
		Why    proto.Reason
		Memory uint64 // bytes that it takes at least, for [ReasonMemory]

		Component string // of the manifest, if it is genuine; empty: it names none
	}

	// GroupDecoded: a group was rebuilt.
	GroupDecoded struct {
		Group   uint32
		Rebuilt int // data shards
	}

	// Collected: K shards of every group are held; what remains is local work.
	Collected struct{}

	// Verified: the SHA-256 of the whole, read back, is right. The transfer is
	// done.
	Verified struct{}

	// Finished: with [TakeAll], a file is complete, verified and durable in its store.
	Finished struct {
		Object   proto.ObjectID
		Manifest *proto.Manifest
		Had      bool // Config.Open has returned [ErrHave]
		Progress Progress
	}

	// Failed: with [TakeAll], an object was given up. The receiver goes on with the
	// others.
	Failed struct {
		Object   proto.ObjectID
		Manifest *proto.Manifest
		Err      error
	}

	// Corrupt: the SHA-256 was wrong. Everything that no leaf confirms was
	// dropped, and the receiver goes on.
	Corrupt struct{ Attempt int }
)

func (ObjectFound) receiverEvent()  {}
func (Certified) receiverEvent()    {}
func (Resumed) receiverEvent()      {}
func (Forged) receiverEvent()       {}
func (Dropped) receiverEvent()      {}
func (Refused) receiverEvent()      {}
func (GroupDecoded) receiverEvent() {}
func (Collected) receiverEvent()    {}
func (Verified) receiverEvent()     {}
func (Finished) receiverEvent()     {}
func (Failed) receiverEvent()       {}
func (Corrupt) receiverEvent()      {}
