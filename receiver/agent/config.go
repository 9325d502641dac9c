// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/receiver/directory"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/layers"
	"iotupd/receiver/multicast"
)

// A Config says what an [Agent] receives, and where to. Channel and Target must be
// set; all else may be zero. Slices and what pointers point to must not be changed
// any more.
type Config struct {
	// Channel is the name that senders have, too. Addresses are derived from it, and
	// a signed manifest must name it.
	Channel string

	// Listen says where to listen. Without Groups, it is those of Channel, for any
	// source or for those of Listen.Sources; Port is proto.DefaultPort if zero.
	Listen multicast.Config

	// Lookup, if not nil, has DNS name the senders. Listen is then without Groups,
	// Sources and Port.
	Lookup *Lookup

	// Target is where files go. The agent prepares and closes it.
	Target filestore.Target

	// Directories is where archives of directories become directories (spec.md 6.7), each
	// under the name that it is sent by: the path of the directory of Target, which is then
	// a [filestore.Dir]. If empty, archives are files. Directory says how they are made;
	// its Observe is not used: see [DirectoryProgress]. [Agent.ReceiveAll] does not make
	// directories.
	Directories string
	Directory   directory.Config

	// Trust are keys of which one must have signed a file, as package keys reads
	// them. If there are none, anybody may be the sender.
	Trust []proto.PublicKey

	// OwnSignature says that the signature of a list of files does not count for the files:
	// see [receiver.Policy].
	OwnSignature bool

	// Hardware are names of this hardware: with Trust, a manifest that lists
	// hardware must list one of them. If empty, every manifest will do.
	Hardware []string

	// Components are the components to receive, by what the manifests say; "" is the one
	// of all manifests that name none. If empty, any: see [Agent.Follow].
	Components []string

	// MinSequence is, with Trust, the lowest sequence to take.
	MinSequence uint64

	// AllowDowngrade takes, with Trust, what is older than what was installed last;
	// [Agent.Follow] does so for the first file only.
	AllowDowngrade bool

	// State is, with Trust or KeepPending, the directory in which to remember what was
	// installed last. It is made if need be. If empty, it is [installed.DefaultDir].
	State string

	// GroupKeys open sealed packets. If there are any, only packets sealed with one
	// of them are taken.
	GroupKeys []*seal.GroupKey

	// Object is the only object to receive, SHA256 the hash of the only file. If
	// zero, any. Either verifies the content without Trust.
	Object proto.ObjectID
	SHA256 [32]byte

	// Name accepts names of files as they are sent, which may be empty. If nil, every
	// name will do.
	Name func(string) bool

	// Take says what to do where several files are sent. [Agent.ReceiveAll] does not need
	// it, but Collection, and takes the place of Target.
	Take       receiver.Take
	Collection *filestore.Collection

	// MaxObjects is how many files are known at a time at most, where several are sent, and
	// MaxTotal how many bytes all of them may have in ReceiveAll. If zero,
	// [receiver.DefaultMaxObjects], and any number.
	MaxObjects int
	MaxTotal   uint64

	// MaxSize is the largest file to receive, in bytes. If zero,
	// [receiver.DefaultMaxSize].
	MaxSize uint64

	// Reuse are older versions of the file: what they have at the same place is not
	// received again. They are read while a file is received.
	Reuse []io.ReaderAt

	// KeepPending says that received files are installed by [Received.Install], or by
	// who calls [Received.Installed] afterwards. What becomes of that is recorded in the
	// directory State, without Trust too, so that a later run goes on with an
	// installation that failed or was cut off: see [Agent.Pending]. [Agent.Follow] does so
	// anyway.
	KeepPending bool

	// Install says how files are installed.
	Install InstallConfig

	// DryRun receives and verifies a file, and keeps nothing. Target may be nil.
	DryRun bool

	// Layers bounds the layers to receive of a sender that has several.
	Layers layers.Config

	// Timeout ends Receive with a [*SilenceError] if for this time nothing is heard
	// that could be received, and Stall with a [*StalledError] if a transfer that has
	// begun is silent for this time. If zero, never.
	Timeout, Stall time.Duration

	// Wait ends Receive with a [*multicast.Error] if for this time at the start
	// none of the interfaces that Listen names exists. If zero, [DefaultWait]; if
	// negative, at once. An interface that exists, but is down or has no address,
	// is waited for without end.
	Wait time.Duration

	// MemoryLimit is what receiving may take in bytes, in all: the file that is
	// received as [receiver.NeedOf] has it, packets on their way, and the
	// kernel's buffers of the sockets. A file that needs more is refused. If
	// zero, only Memory and LeafMemory, which go under the limit, count.
	MemoryLimit int

	// InMemory says that the files of Target are in memory, as on a tmpfs, and
	// count against MemoryLimit.
	InMemory bool

	// Limits of memory in bytes, and of signatures verified in a second, as in
	// [receiver.Config]. If zero, its defaults.
	Memory, LeafMemory, SignatureRate int

	// Observe, if not nil, is called for every [Event], by one goroutine at a time,
	// never by one that receives: it may write to a terminal or a disk. While it
	// takes long, some events Progress and Transfer of a [receiver.GroupDecoded] are
	// left out, and decisions of the agent such as to give up wait for it. It must not
	// call the agent.
	Observe func(Event)

	// Ask, if not nil, asks for an event Progress by each element. Without it, there
	// are several in a second; with it, other ones come only while something happens,
	// so that an agent that nobody sends to does not wake the processor.
	Ask <-chan struct{}

	// For tests and measurements. Lost says for every datagram whether to treat it as
	// lost on the way. Heard is called with the undamaged packets of the object that
	// is received, on the goroutine that receives: it must not wait. Either may be
	// nil.
	Lost  func() bool
	Heard func([]receiver.Heard)
}

// An InstallConfig says how files are installed.
type InstallConfig struct {
	// Attempts is how many attempts to install a release may fail. If zero,
	// [DefaultAttempts].
	Attempts int

	// Pause is the time after the first attempt that failed, in [Agent.Follow]; later ones
	// are longer. If zero, [DefaultPause].
	Pause time.Duration

	// Confirm says that a release which was installed has to be confirmed, by "iotupd
	// confirm" or by Running. ConfirmTimeout is the uptime after which it counts as rolled
	// back. If zero, never.
	Confirm        bool
	ConfirmTimeout time.Duration

	// Check, if not nil, is called with the finished file before it takes the
	// place of the old one. Its errors count like errors of an [InstallFunc]. It
	// needs a [filestore.FileTarget].
	Check InstallFunc

	// Running, if not nil, returns what the operating system says about the release that
	// runs: nothing older is received, and a release that was installed, and does not run
	// after a reboot, counts as rolled back. It may be called at any time from any
	// goroutine.
	Running func() (installed.Running, error)
}

// The usual values of an [InstallConfig].
const (
	DefaultAttempts = 3
	DefaultPause    = time.Minute
)

func (c InstallConfig) rules() state.Rules {
	return state.Rules{
		Attempts: cmp.Or(c.Attempts, DefaultAttempts), Pause: cmp.Or(c.Pause, DefaultPause),
		Confirm: c.Confirm, ConfirmTimeout: c.ConfirmTimeout,
	}
}

// A Lookup says how DNS finds senders.
type Lookup struct {
	Name     string                // of the channel, a domain name; empty: Config.Channel
	Servers  []netip.AddrPort      // name servers to ask; empty: the name servers of the system
	Failover time.Duration         // silence after which it is the turn of the next priority; zero: multicast.DefaultFailover
	Allow    func(netip.Addr) bool // whom to listen to; nil: everybody
}

// DefaultWait is the usual Config.Wait.
const DefaultWait = 30 * time.Second

func (c Config) withDefaults() Config {
	if c.Wait == 0 {
		c.Wait = DefaultWait
	}
	if c.Listen.Port == 0 {
		c.Listen.Port = proto.DefaultPort
	}
	if len(c.Listen.Groups) == 0 {
		c.Listen.Groups = proto.ChannelAddresses(c.Channel).ForSources(c.Listen.Sources)
	}
	if c.Listen.ReceiveBuffer == 0 {
		c.Listen.ReceiveBuffer = 32 << 20
	}
	if c.MemoryLimit > 0 {
		c.Listen.ReceiveBuffer = min(c.Listen.ReceiveBuffer, c.shares().buffer)
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	if c.DryRun || c.Collection != nil {
		c.Target = filestore.Scratch(nil)
	}
	if c.State == "" {
		c.State = installed.DefaultDir()
	}
	if c.Lookup != nil {
		lookup := *c.Lookup
		if lookup.Name == "" {
			lookup.Name = c.Channel
		}
		c.Lookup = &lookup
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Channel == "":
		return errors.New("agent: Config without a Channel")
	case c.Target == nil:
		return errors.New("agent: Config without a Target")
	case c.MemoryLimit < 0:
		return fmt.Errorf("agent: MemoryLimit %d must not be negative", c.MemoryLimit)
	case c.Install.Check != nil && !canInspect(c.Target):
		return errors.New("agent: Install.Check needs a filestore.FileTarget")
	case c.Install.Attempts < 0 || c.Install.Pause < 0 || c.Install.ConfirmTimeout < 0:
		return fmt.Errorf("agent: Install %+v must not be negative", c.Install)
	case c.Timeout < 0 || c.Stall < 0:
		return fmt.Errorf("agent: Timeout %v and Stall %v must not be negative", c.Timeout, c.Stall)
	case len(c.Trust) > 0 && c.State == "":
		return errors.New("agent: no directory to remember in what is installed: set Config.State")
	}
	return nil
}

// shares are how MemoryLimit is divided, in bytes; the file has the rest.
type shares struct {
	buffer  int // of a socket, as it is asked for
	network int // what all of them take, and packets on their way
}

const (
	packetMemory   = 2<<20 + receiver.WaitingMemory // of batches, and of packets that wait
	shortestBuffer = 128 << 10
	bufferOfLimit  = 32 // a buffer is this part of the limit
	buffers        = 4  // one for each family, and the kernel takes twice what is asked for
)

func (c Config) shares() shares {
	buffer := max(shortestBuffer, c.MemoryLimit/bufferOfLimit)
	return shares{buffer: buffer, network: packetMemory + buffers*buffer}
}

// MemoryFor returns the least MemoryLimit with which a file is received that needs so
// many bytes ([receiver.NeedOf]).
func MemoryFor(need uint64) uint64 {
	rest := need + packetMemory // and the limit is that with its part for buffers
	return max(rest+buffers*shortestBuffer, (rest*bufferOfLimit+bufferOfLimit-1)/(bufferOfLimit-buffers))
}

// needsName is what a target is asked that puts files under the names that they
// are sent by.
type needsName interface{ NeedsName() bool }

// receiver returns the configuration of a transfer, without Open and Observe.
func (c Config) receiver(policy *receiver.Policy) receiver.Config {
	name := c.Name
	if t, ok := c.Target.(needsName); c.Collection != nil || ok && t.NeedsName() {
		name = func(s string) bool { return s != "" && (c.Name == nil || c.Name(s)) }
	}
	limit := 0
	if c.MemoryLimit > 0 {
		limit = max(1, c.MemoryLimit-c.shares().network)
	}
	return receiver.Config{
		MemoryLimit: limit, InMemory: c.InMemory,
		Object: c.Object, SHA256: c.SHA256, Trust: policy, Components: c.Components, GroupKeys: c.GroupKeys, Seeds: c.Reuse, Name: name,
		Take: c.Take, MaxObjects: c.MaxObjects, MaxTotal: c.MaxTotal,
		MaxSize: c.MaxSize, Memory: c.Memory, LeafMemory: c.LeafMemory, SignatureRate: c.SignatureRate,
	}
}
