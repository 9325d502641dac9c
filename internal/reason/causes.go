// SPDX-License-Identifier: GPL-2.0-or-later

package reason

import (
	"iter"
	"slices"
)

// A Cause is something that a person or a program has to know about: what a command
// warns of, or ends by. This is the one place for all of them. Reasons to refuse a file,
// which stand in the other table, are causes as well.
type Cause struct {
	Code     string // stable, in the events warn and error of JSON lines
	Sentence string // what it means
	Advice   string // what to do, in general; a message may know more
	Exit     int    // code of a command that ends by it; 0: no command does, it is a warning
}

// Codes of warnings.
const (
	NoInterface       = "no-interface"
	JoinFailed        = "join-failed"
	LinkDown          = "link-down"
	NotJoined         = "not-joined"
	JoinedElsewhere   = "joined-elsewhere"
	ForeignPackets    = "foreign-packets"
	OwnBuffer         = "own-buffer"
	Damaged           = "damaged"
	ReversePathFilter = "reverse-path-filter"
	OtherPort         = "other-port"
	HostFirewall      = "host-firewall"
	OtherInterface    = "other-interface"
	OtherGroups       = "other-groups"
	NoQuerier         = "no-querier"
	ReceiveErrors     = "receive-errors"
	NothingOnTheWire  = "nothing-on-the-wire"

	OwnDrops             = "own-drops"
	MaxRate              = "max-rate"
	AlsoSent             = "also-sent"
	OtherVersion         = "other-version"
	OtherComponent       = "other-component"
	Discovery            = "discovery"
	Network              = "network"
	Corrupt              = "corrupt"
	TraceFull            = "trace-full"
	Exposed              = "exposed"
	DirectoryMoved       = "directory-moved"
	PartialFileRemoved   = "partial-file-removed"
	PartialFileTruncated = "partial-file-truncated"
	PartialFileChanged   = "partial-file-changed"

	SendExpired           = "expired"
	SendCache             = "cache"
	RateNotReached        = "rate-not-reached"
	FileDropped           = "file-dropped"
	FileFailed            = "file-failed"
	SameName              = "same-name"
	SocketsLeftOut        = "sockets-left-out"
	SpecialLeftOut        = "special-left-out"
	BitsCleared           = "bits-cleared"
	ListenersBeyondRouter = "listeners-beyond-router"
	Jumbo                 = "jumbo"
	SenderDrops           = "sender-drops"
)

// Codes of errors.
const (
	Failed             = "failed"
	Usage              = "usage"
	SeveralFiles       = "several-files"
	NothingHeard       = "silence"
	Incomplete         = "incomplete"
	Integrity          = "integrity"
	NotTrusted         = "not-trusted"
	Refused            = "refused"
	MemoryDamaged      = "memory-damaged"
	RecordDamaged      = "record-damaged"
	NetworkFailed      = "network-failed"
	LocalIO            = "local-io"
	NoSpace            = "no-space"
	InUse              = "in-use"
	ForeignPartialFile = "foreign-partial-file"
	NotReplaceable     = "not-replaceable"
	DirectoryKept      = "directory-kept"
	DirectoryInvalid   = "directory-invalid"
	StdoutClosed       = "stdout-closed"
	ReaderGone         = "reader-gone"
	FileChanged        = "file-changed"
	NotAManifest       = "not-a-manifest"
	InstallFailed      = "install-failed"
	InstallWaiting     = "install-waiting"
	InstallRejected    = "install-rejected"
	InstallRolledBack  = "rolled-back"
	TakeOverFailed     = "take-over-failed"
	InstallLocked      = "install-locked"
	InstalledAgain     = "installed-again"
	RequirementMissed  = "requirement-missed"
	Signal             = "signal"
)

// Exit codes of refusals, and of what the table below ends by.
const (
	exitAuthenticity = 7
	exitPolicy       = 8
)

// Causes returns all causes: warnings, refused files, errors.
func Causes() iter.Seq[Cause] {
	return func(yield func(Cause) bool) {
		for _, c := range warnings {
			if !yield(c) {
				return
			}
		}
		for _, e := range table {
			if e.File != "" && string(e.Reason) != SendExpired && !yield(e.cause()) {
				return
			}
		}
		for _, c := range failures {
			if !yield(c) {
				return
			}
		}
	}
}

// CauseOf returns the cause with that code; the code alone if there is none.
func CauseOf(code string) Cause {
	for c := range Causes() {
		if c.Code == code {
			return c
		}
	}
	return Cause{Code: code, Exit: 1}
}

// cause is the cause of a refused file, with which a command ends if it receives
// no other.
func (e Explanation) cause() Cause {
	exits := map[Failure]int{Policy: exitPolicy, Authenticity: exitAuthenticity, Sealing: exitAuthenticity}
	c := Cause{Code: string(e.Reason), Sentence: "A file that is sent here " + e.File + ".", Advice: e.Fix, Exit: exits[e.Failure]}
	return c
}

// ByExit returns the code of errors of which nothing is known but the exit code.
func ByExit(exit int) string {
	i := slices.IndexFunc(failures, func(c Cause) bool { return c.Exit == exit })
	if i < 0 {
		return Failed
	}
	return failures[i].Code
}

var warnings = []Cause{
	{NoInterface, "There is no network interface to listen on: none is up and able to multicast, or the named one is not.", "ip -brief address   # connect a network, or name an interface by -i", 0},
	{JoinFailed, "The system refuses to join the multicast groups; the text has its reason.", "ulimit -n   # and other limits, and the sandbox of the process", 0},
	{LinkDown, "The interfaces that are listened on have no link.", "ip link set DEVICE up   # and look at the cable or the Wi-Fi association", 0},
	{NotJoined, "The kernel does not list this host as a member of a multicast group that was joined.", "ip maddress show   # iotupd joins again by itself", 0},
	{JoinedElsewhere, "The kernel lists the membership on another interface than the one that is listened on.", "ip maddress show   # iotupd joins again by itself", 0},
	{ForeignPackets, "Packets arrive and are refused, for reasons that the text counts.", "iotupd inspect   # on the same channel: lists what is sent here", 0},
	{OwnBuffer, "The kernel of this host dropped packets because the receive buffer was full.", "sysctl -w net.core.rmem_max=8388608   # then start iotupd recv again", 0},
	{Damaged, "Packets arrive with a wrong UDP checksum.", "ethtool -K DEVICE tx off   # at the sender", 0},
	{ReversePathFilter, "The reverse-path filter drops packets whose sender is not routed through the interface they came in by.", "sysctl -w net.ipv4.conf.DEVICE.rp_filter=2", 0},
	{OtherPort, "Packets of joined groups come to a UDP port on which no program listens.", "iotupd recv --port PORT", 0},
	{HostFirewall, "Packets came in on the interface and were not delivered: a firewall of this host drops them.", "nft insert rule inet filter input udp dport 18868 accept", 0},
	{OtherInterface, "Multicast arrives on an interface on which the groups were not joined.", "iotupd recv -i DEVICE", 0},
	{OtherGroups, "Multicast arrives, but not for the groups that were joined.", "tcpdump -c 5 -ni DEVICE udp and multicast   # compare the groups with those that send and recv print", 0},
	{NoQuerier, "A switch may have forgotten the membership, since no IGMP or MLD querier asks for it.", "ip link set dev br0 type bridge mcast_querier 1   # or enable the querier of a switch or router", 0},
	{ReceiveErrors, "The interface refuses packets, as longer than its MTU or as damaged.", "iotupd send --shard-size 1152 FILE   # or the same MTU on all devices", 0},
	{NothingOnTheWire, "No transfer arrives at this host.", "tcpdump -c 1 -ni DEVICE udp port 18868   # first at the sender, then here", 0},
	{OwnDrops, "This host, not the network, loses packets.", "sysctl -w net.core.rmem_max=33554432   # or a lower rate", 0},
	{MaxRate, "The lowest layer is faster than --max-rate, and is received anyway.", "iotupd send --layers 4 --rate RATE FILE   # --rate is for the lowest layer", 0},
	{AlsoSent, "Another file that could be received is sent here, too.", "iotupd recv --object ID   # or --name, or sign and --trust", 0},
	{OtherVersion, "The file that is being received is silent, and another one of its name is sent.", "stop recv and start it again   # or sign releases and use --trust", 0},
	{OtherComponent, "Signed releases of another component are sent, too; recv --follow keeps to the component of the first release that it took.", "iotupd recv --follow --component NAME   # the component that this device wants", 0},
	{Discovery, "DNS has not answered with senders.", "iotupd send --print-dns NAME   # prints what DNS should say", 0},
	{Network, "Something about an interface or a membership has failed; it is tried again.", "ip -brief address", 0},
	{Corrupt, "The SHA-256 of the file was wrong; shards that no hash confirms are received again.", "iotupd inspect   # is the same file sent by all senders?", 0},
	{TraceFull, "The file of --record has no room for more packets.", "record for a shorter time", 0},
	{Exposed, "Every user of this host can read a group key file.", "chmod 600 FILE", 0},
	{DirectoryMoved, "The directory of the file was removed or moved while the file was received.", "name the directory where it is now; the partial file is in the old one", 11},
	{PartialFileRemoved, "Another program removed or replaced the partial file while it was written; it is received again.", "leave *.iotupd-part alone while recv runs", 0},
	{PartialFileTruncated, "Another program truncated the partial file; the lost part is received again.", "leave *.iotupd-part alone while recv runs", 0},
	{PartialFileChanged, "The partial file no longer matches what was received; it is compared and completed again.", "look at the disk: dmesg, smartctl", 0},
	{TakeOverFailed, "A file that recv --ready has handed over is not the one of its manifest, or cannot be taken over.", "look for another program that writes to the directory of --ready", 0},
	{SendExpired, "The manifest has expired: receivers refuse the file.", "sign the file again, or set the clock", exitPolicy},
	{SendCache, "The prepared data of the file could not be written to the cache, or read from it.", "look at the directory of --cache", 0},
	{FileFailed, "One of the files of recv --all was not received, or could not be put into place.", "iotupd recv --all again: it receives only what is missing", 0},
	{FileDropped, "One of several files has changed, or cannot be read, and is not sent any more.", "start send again with a file that does not change", 0},
	{SameName, "Several files that are sent together have the same name: recv --all takes none of them.", "iotupd sign --name NAME FILE", 0},
	{SocketsLeftOut, "A directory that is sent has sockets, which cannot be sent: programs make them.", "none is needed; send the directory without them to have no warning", 0},
	{SpecialLeftOut, "A directory that is sent has devices or FIFOs, which are sent on request only.", "iotupd send --preserve special DIR", 0},
	{BitsCleared, "A directory that is sent has files with a setuid or setgid bit, which is sent on request only.", "iotupd send --preserve special DIR", 0},
	{RateNotReached, "The sender is slower than --rate asks for.", "a lower --rate, or --rate max", 0},
	{ListenersBeyondRouter, "Receivers behind a router may not be noticed by --when-listened.", "an IGMP or MLD proxy on the router", 0},
	{SenderDrops, "The sender's host drops packets in the queue of the interface, since the rate is over what that carries.", "iotupd send --rate RATE FILE   # lower; or --rate max", 0},
	{Jumbo, "Packets need a larger MTU than networks have by default.", "iotupd send --shard-size 1344 FILE", 0},
}

// failures are errors; the first of an exit code stands for all with that code.
var failures = []Cause{
	{Failed, "Something failed for which there is no other code.", "read the text of the error", 1},
	{Usage, "The command line is wrong.", "iotupd COMMAND --help", 3},
	{SeveralFiles, "Several files are sent, and nothing says which one to receive.", "iotupd recv --name GLOB   # or --component, --target, --object, or --all -d DIR", 3},
	{NothingHeard, "Nothing was heard that could be received.", "see the warnings before it, which name the likely causes", 4},
	{Incomplete, "The stream went silent before the file was complete.", "run it again: it continues, if hashes were heard", 5},
	{Integrity, "The received file does not match its SHA-256.", "prepare and sign the file again at the sender", 6},
	{NotTrusted, "No key of --trust has signed the file.", "iotupd inspect --trust KEY FILE", exitAuthenticity},
	{Refused, "A file is refused by a limit, or by what its manifest says.", "iotupd inspect   # on the same channel: shows its manifest", exitPolicy},
	{MemoryDamaged, "The record of what is installed is damaged.", "find out what is installed, remove the file, and give --min-sequence once", exitPolicy},
	{RecordDamaged, "The record of an installation is damaged, and whether it has ended is not known.", "find out whether the release is installed, remove the file, and the received file too if it is to be installed", exitPolicy},
	{NetworkFailed, "The network could not be set up, or failed.", "ip -brief address", 10},
	{LocalIO, "Local input or output failed.", "look at the path in the text: does it exist, and may this user use it?", 11},
	{NoSpace, "There is no space left.", "make room, or name another directory", 11},
	{InUse, "Another process receives the same file.", "wait for it, or end it", 11},
	{ForeignPartialFile, "The partial file was left by a run of another user.", "remove it, or receive as that user", 11},
	{NotReplaceable, "The existing file cannot be replaced: it is a mount point, immutable, append-only or of another user.", "name another file, or do what the text says", 11},
	{DirectoryKept, "The existing directory was not made by iotupd, or files were added or changed in it.", "move them away, or allow to replace them: --replace", 11},
	{DirectoryInvalid, "What is sent is not a valid directory, or its inventory says something else than its archive.", "send it again with the newest iotupd; if that does not help, look who signs it", 6},
	{StdoutClosed, "Stdout is closed, so that the output would be lost.", "redirect stdout to a file or a pipe", 11},
	{FileChanged, "The file changed while it was sent.", "send a file that nobody writes to", 11},
	{NotAManifest, "The file is not a manifest.", "iotupd inspect FILE", 3},
	{InstallFailed, "An attempt of the command of --exec has failed, or the release was given up.", "iotupd status   # shows why, and whether it is tried again; iotupd retry", 12},
	{InstallWaiting, "The command of --exec has asked to be called later (exit code 75).", "wait; iotupd retry tries at once", 12},
	{InstallRejected, "The command of --exec has rejected the release (exit code 65).", "sign a release that it takes; iotupd retry", 12},
	{InstallRolledBack, "The release was installed, and another one runs now.", "send a higher sequence; iotupd retry", 12},
	{InstallLocked, "Another process installs a release of this channel, or a lock cannot be had.", "wait until it has ended; look for one that hangs", 11},
	{InstalledAgain, "The command of --exec has succeeded, but that could not be recorded.", "look at the directory of --state", 11},
	{RequirementMissed, "A bound of --require was not met.", "look at the results", 13},
	{ReaderGone, "The program that read stdout has ended.", "", 141},
	{Signal, "A signal stopped it.", "", 128},
}
