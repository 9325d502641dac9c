// SPDX-License-Identifier: GPL-2.0-or-later

// Package reason explains in words why receivers ignore datagrams, and what to
// do about it. It has the one table of all reasons, those of packages proto,
// proto/seal and receiver.
package reason

import (
	"iter"
	"slices"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// An Explanation is a reason in words.
type Explanation struct {
	Reason proto.Reason

	// Packets completes the number of packets that were ignored, as in
	// "12 of another program".
	Packets string
	// Fix is a shell command; what more there is to know follows as a # comment.
	Fix string

	// File completes the name of a file that is not received, as in "fw.bin was
	// signed for another channel", and says what to do. It is empty unless the
	// user can do something about a whole file.
	File string
	// Failure is what a receiver has to report that heard nothing but such files.
	Failure Failure
}

// A Failure says why a receiver that gives up has received nothing.
type Failure int

const (
	Silence      Failure = iota // nothing was heard that it could receive
	Policy                      // what was heard is refused by a limit, or by what its signed manifest says
	Authenticity                // nobody who is trusted has signed it
	Sealing                     // no group key opens it, or there is one and it is not sealed
)

// All returns the explanations of all reasons. Those of files come first, in the
// order in which they explain that a receiver gave up: files signed by a trusted
// key precede files that anybody may have sent.
func All() iter.Seq[Explanation] { return slices.Values(table) }

// Of returns the explanation of a reason.
func Of(r proto.Reason) Explanation {
	i := slices.IndexFunc(table, func(e Explanation) bool { return e.Reason == r })
	if i < 0 {
		return Explanation{Reason: r, Packets: "ignored as " + string(r), Fix: lookAround}
	}
	return table[i]
}

// Packets, and what to do about them, that several reasons have in common.
const (
	// lookAround shows the files that are being sent, with their names and keys.
	lookAround = "iotupd inspect   # on the same channel: lists what is sent here"

	otherProgram    = "of another program"
	otherProgramFix = "iotupd recv --port PORT   # and the same at the sender, away from the other program"
	otherVersion    = "of another version"
	otherVersionFix = "iotupd --version   # install the same on both sides"
	otherKeyFix     = "iotupd recv --group-key FILE   # the file that the sender uses"
)

var table = []Explanation{
	{
		Reason: receiver.ReasonRollback, Failure: Policy, Packets: "of an older release than the installed one", Fix: lookAround,
		File: "is older than what was installed last or than --min-sequence, or is another file with the same sequence number; " +
			"sign it with a higher number, or take it by --allow-downgrade",
	}, {
		Reason: receiver.ReasonExpired, Failure: Policy, Packets: "of an expired release", Fix: lookAround,
		File: "has expired; sign it again, or set the clock of this host",
	}, {
		Reason: receiver.ReasonTarget, Failure: Policy, Packets: "of a release for other hardware", Fix: lookAround,
		File: "was signed for other hardware than --target names",
	}, {
		Reason: receiver.ReasonChannel, Failure: Policy, Packets: "of another channel", Fix: "iotupd recv --channel NAME   # the name that the sender uses",
		File: "was signed for another channel; name that by --channel, or sign it for this one",
	}, {
		Reason: receiver.ReasonSignature, Failure: Authenticity, Packets: "not signed by a trusted key", Fix: lookAround,
		File: "is not signed by a key of --trust; if it should be, look at it by iotupd inspect",
	}, {
		Reason: receiver.ReasonTooLarge, Failure: Policy, Packets: "of a file over the limit of size", Fix: lookAround,
		File: "is larger than --max-size, or cut into so many groups that their index takes too much memory",
	}, {
		Reason: receiver.ReasonTooMany, Failure: Policy, Packets: "of more objects than --max-objects", Fix: "iotupd recv --max-objects N",
		File: "is one of more files than --max-objects allows",
	}, {
		Reason: receiver.ReasonMemory, Failure: Policy, Packets: "of a file that needs more memory than there is", Fix: "iotupd recv --memory SIZE   # if this host has more",
		File: "needs more memory than --memory or this system allows; give it more, or have it sent by --profile tiny",
	}, {
		Reason: seal.ReasonSeal, Failure: Sealing, Packets: "sealed with another key", Fix: otherKeyFix,
		File: "is sealed, but not with a key of --group-key",
	}, {
		Reason: receiver.ReasonSealed, Failure: Sealing, Packets: "sealed, and there is no key to open them", Fix: otherKeyFix,
		File: "is sealed with a group key; name the key file by --group-key",
	}, {
		Reason: receiver.ReasonUnsealed, Failure: Sealing, Packets: "not sealed", Fix: lookAround,
		File: "is not sealed, and --group-key takes only what is",
	}, {
		Reason: receiver.ReasonManifest, Failure: Policy, Packets: "with a manifest that cannot be understood, or is not of its object",
		Fix:  "iotupd --version   # a sender of a later version may use fields that this one must not ignore",
		File: "has a manifest that cannot be understood, or that is not of its object; sign it again, or install the version of iotupd that the sender has",
	},

	{Reason: proto.ReasonLength, Packets: otherProgram, Fix: otherProgramFix},
	{Reason: proto.ReasonMagic, Packets: otherProgram, Fix: otherProgramFix},
	{Reason: proto.ReasonVersion, Packets: otherVersion, Fix: otherVersionFix},
	{Reason: proto.ReasonType, Packets: otherVersion, Fix: otherVersionFix},
	{Reason: proto.ReasonFlags, Packets: otherVersion, Fix: otherVersionFix},
	{Reason: proto.ReasonChecksum, Packets: "damaged on the way", Fix: "ip -s -s link   # look for receive errors: cable, duplex, Wi-Fi"},
	{Reason: proto.ReasonGeometry, Packets: "that contradict themselves or their object", Fix: lookAround},
	{Reason: proto.ReasonDigest, Packets: "with hashes that are not of their object", Fix: lookAround},

	{Reason: receiver.ReasonOtherObject, Packets: "of another object", Fix: lookAround},
	{Reason: receiver.ReasonSignatureRate, Packets: "with more signatures than are verified in that time", Fix: lookAround},
	{Reason: receiver.ReasonDuplicate, Packets: "received before", Fix: lookAround},
	{Reason: receiver.ReasonNotNeeded, Packets: "of groups that need no more", Fix: lookAround},
	{Reason: receiver.ReasonScanning, Packets: "of groups that are being compared with the disk", Fix: lookAround},
	{Reason: receiver.ReasonBusy, Packets: "that came faster than the disk takes them", Fix: "iotupd recv -o /dev/shm/FILE   # shows whether it is the disk"},
	{Reason: receiver.ReasonForged, Packets: "forged, as their hashes show", Fix: lookAround},
	{Reason: receiver.ReasonUnverified, Packets: "of groups with forged shards, whose hashes are not known yet", Fix: lookAround},
}
