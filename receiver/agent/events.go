// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/directory"
	"iotupd/receiver/multicast"
)

// An Event reports what an [Agent] does to Config.Observe. The types are those
// below, and more may come.
type Event interface{ agentEvent() }

// Where the agent listens.
type (
	// Searching: DNS is asked for senders.
	Searching struct{ Name string }

	// Searched: what that has come to, again whenever it changes.
	Searched struct {
		Name  string
		Event multicast.DiscoverEvent
	}

	// Listening: the groups of Config.Listen are joined. With Config.Lookup,
	// Searched reports that.
	Listening struct{ Place multicast.Place }

	// LevelChanged: layers 0 to Level are received from now on; none at -1, to
	// relieve a network that loses more than half of layer 0.
	LevelChanged struct {
		At    time.Time
		Level int
	}
)

// How the transfer goes.
type (
	// Transfer: the receiver reports an event. From is where the manifest of the
	// object came from, Progress that at the time of the event; of a [receiver.Forged]
	// and a [receiver.GroupDecoded] it is zero.
	Transfer struct {
		At       time.Time
		Event    receiver.Event
		From     receiver.Origin
		Progress receiver.Progress
	}

	// Collected: all that has to come over the network is there, manifest included.
	Collected struct {
		At       time.Time
		Progress receiver.Progress
	}

	// InventoryRead: what is in the directory whose archive is received. Reused is how many
	// bytes of the archive are in older directories, whose files need not be received again.
	InventoryRead struct {
		Manifest *proto.Manifest
		Entries  int
		Reused   uint64
	}

	// DirectoryProgress: how far a directory is: a few times a second while old files are
	// hashed, or the archive is made a directory.
	DirectoryProgress struct{ directory.Progress }

	// Progress: several times a second, unless Observe takes too long; with
	// Config.Ask, while nothing happens only if asked for.
	Progress struct {
		At     time.Time
		Status receiver.Status // Status.Ignored is the observer's
		Silent time.Duration   // since a packet of the object was last seen to arrive
		Drops  uint64          // packets that this host lost while it still wanted any

		Collected bool // all is there, and is being decoded and verified
	}
)

// What somebody should look at.
type (
	// OwnDrops: this host, not the network, loses packets. Reported once a file.
	OwnDrops struct {
		Drops           uint64
		Granted, Wanted int // bytes of receive buffer, in the unit in which it is asked for
	}

	// OverRate: the lowest layer is over Config.Layers.MaxRate, and is received all
	// the same. Reported once a file.
	OverRate struct{ Rate int64 } // bits per second, about

	// Rejected: a file is sent that is not received, for a reason that somebody can
	// do something about.
	Rejected struct {
		Reason proto.Reason
		Object proto.ObjectID // zero: nothing but packets of it are known
		Name   string         // may be empty
		Memory uint64         // the least Config.MemoryLimit for it, for [receiver.ReasonMemory]
	}

	// AlsoSent: another file is sent.
	AlsoSent struct {
		Object proto.ObjectID
		Name   string // may be empty
		Size   uint64 // with Name

		// Choice says that it might as well have been received: nothing but which
		// manifest came first has decided. Reported so for the first one.
		Choice bool
	}

	// OtherComponent: in [Agent.Follow] without Config.Components, releases of another
	// component than the one of the first release are sent. Only those count that a
	// trusted key has signed. Reported once.
	OtherComponent struct {
		Kept, Component string // empty: of releases that name none
		Object          proto.ObjectID
		Name            string // may be empty
	}

	// OtherVersion: the file that is being received is silent, and another one of that
	// name is sent instead. Without Config.Trust nothing says which is newer. Reported
	// once an object.
	OtherVersion struct {
		Object proto.ObjectID
		Name   string
		Size   uint64
	}

	// OnlyOthers: nothing but other files is sent. Reported once a file.
	OnlyOthers struct{ Instead Instead }

	// PlaceLost: somebody else has removed or changed the partial file, or moved its
	// directory. What is lost is received again, if that is possible.
	PlaceLost struct{ Err error }

	// Silent: nothing has arrived for a while that is of use, in spite of Place.
	// Causes are what the counters of this host say about it.
	Silent struct {
		For    time.Duration
		Place  multicast.Place
		Causes []Cause
	}
)

// A Cause is a likely cause of silence.
type Cause struct {
	Code string // stable
	Text string // what the counters show, and what that means: a sentence or two
	Fix  string // a shell command; what more there is to know follows as a # comment
}

// How the transfer ended.
type (
	// AlreadyThere: the target had the content before.
	AlreadyThere struct{ File *Received }

	// Done: the file is in place, and is remembered.
	Done struct {
		At     time.Time
		File   *Received
		Status receiver.Status
		Drops  uint64

		First     time.Time // packet of the object
		Collected time.Time // when all had come over the network
	}

	// SeveralSent: several files are sent, and none was chosen. [Agent.Receive] ends with
	// Err.
	SeveralSent struct{ Err *receiver.SeveralError }

	// FileDone: in [Agent.ReceiveAll], one more file is in place; Done are.
	FileDone struct {
		At   time.Time
		File *Received
		Done int
	}

	// FileFailed: in [Agent.ReceiveAll], a file was given up. The others go on.
	FileFailed struct {
		At       time.Time
		Manifest *proto.Manifest
		Err      *FileError
	}

	// AllDone: [Agent.ReceiveAll] has ended.
	AllDone struct {
		At     time.Time
		All    All
		Status receiver.Status
		Drops  uint64
		First  time.Time // packet of an object
	}

	// Stopped: the context of [Agent.Receive] has ended, or that of [Agent.Follow].
	Stopped struct {
		Status  receiver.Status
		Instead Instead
		NoNewer bool // Follow has only heard what is installed already
	}
)

// How it is installed.
type (
	// InstallPending: a file that was there before is installed now, since that had
	// not succeeded.
	InstallPending struct{ File *Received }

	// Installed: installing the file has succeeded.
	Installed struct{ File *Received }

	// InstallFailed: in [Agent.Follow], an attempt to install the file has failed.
	InstallFailed struct{ Err *InstallError }

	// TakeOverFailed: in [Agent.InstallFrom], a file that was handed over is not the one of
	// its manifest, is not there, or cannot be taken.
	TakeOverFailed struct {
		Manifest *proto.Manifest
		Err      error
	}

	// GivenUp: in [Agent.Follow], a release is sent that is not installed again.
	GivenUp struct{ Err *GivenUpError }

	// CommandPrinted: the command of [Command] has printed a line.
	CommandPrinted struct{ Name, Line string }

	// CommandEnded: it has ended.
	CommandEnded struct {
		Words []string
		Exit  int // code; -1: it ended otherwise
		Took  time.Duration
	}
)

func (Searching) agentEvent()         {}
func (Searched) agentEvent()          {}
func (Listening) agentEvent()         {}
func (LevelChanged) agentEvent()      {}
func (Transfer) agentEvent()          {}
func (Collected) agentEvent()         {}
func (Progress) agentEvent()          {}
func (OwnDrops) agentEvent()          {}
func (OverRate) agentEvent()          {}
func (Rejected) agentEvent()          {}
func (AlsoSent) agentEvent()          {}
func (OtherComponent) agentEvent()    {}
func (OtherVersion) agentEvent()      {}
func (OnlyOthers) agentEvent()        {}
func (PlaceLost) agentEvent()         {}
func (Silent) agentEvent()            {}
func (AlreadyThere) agentEvent()      {}
func (InventoryRead) agentEvent()     {}
func (DirectoryProgress) agentEvent() {}
func (Done) agentEvent()              {}
func (SeveralSent) agentEvent()       {}
func (FileDone) agentEvent()          {}
func (FileFailed) agentEvent()        {}
func (AllDone) agentEvent()           {}
func (Stopped) agentEvent()           {}
func (InstallPending) agentEvent()    {}
func (Installed) agentEvent()         {}
func (InstallFailed) agentEvent()     {}
func (GivenUp) agentEvent()           {}
func (TakeOverFailed) agentEvent()    {}
func (CommandPrinted) agentEvent()    {}
func (CommandEnded) agentEvent()      {}
