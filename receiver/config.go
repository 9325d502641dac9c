// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"iotupd/proto"
	"iotupd/proto/seal"
)

// Defaults and limits of a [Config].
const (
	DefaultMaxSize       = 256 << 30
	DefaultMaxObjects    = 1 << 14
	DefaultMemory        = 4400 << 10 // one decoder of the largest usual group is fast with it
	DefaultLeafMemory    = 4 << 20
	DefaultSignatureRate = 2000
)

// Config says what a [Receiver] receives. Open must be set; all else may be zero.
type Config struct {
	// Open makes the store of a chosen object, whose manifest has confirmed the
	// parameters. It is called by a [Job].
	Open func(proto.ObjectID, proto.Params) (Store, error)

	// Object is the only object to receive. If zero, any.
	Object proto.ObjectID

	// SHA256 is the hash of the only file to receive. If zero, any file.
	SHA256 [32]byte

	// Trust says which signed manifests to accept. If nil, the origin of the file
	// is not verified. Nobody but Observe may change it while the receiver is used.
	Trust *Policy

	// GroupKeys open sealed packets. If there are any, only packets sealed with
	// one of them are taken.
	GroupKeys []*seal.GroupKey

	// Seeds are files that may be similar to the wanted one, such as an older
	// version: shards that a seed has at the right offset need not be received.
	// They need an object with digests.
	Seeds []io.ReaderAt

	// Inventory, if not nil, has archives of directories received with their inventories,
	// unless all objects are received. It is called by a [Job].
	Inventory InventoryFunc

	// InventoryFirst, if not nil, reports whether files on disk may have most of an archive:
	// its packets then wait in memory, the latest of them, until its inventory was read and
	// the seed was copied. So nothing is written that the seed has. It must not block.
	InventoryFirst func(m *proto.Manifest) bool

	// Name reports whether to accept the file name in an object's manifest, which
	// may be empty. If nil, every name is accepted.
	Name func(string) bool

	// Take says what to do where several objects are sent.
	Take Take

	// MaxObjects is how many objects are known at a time at most, where several are sent.
	// If zero, DefaultMaxObjects. MaxTotal bounds the bytes of all files with [TakeAll]. If
	// zero, it does not.
	MaxObjects int
	MaxTotal   uint64

	// Components are, without Trust, the components of which objects are accepted, by
	// what their manifests say; "" is the one of all manifests that name none. If empty,
	// any. With Trust, Policy.Components counts.
	Components []string

	// MaxSize is the largest file to receive, in bytes. If zero, DefaultMaxSize.
	MaxSize uint64

	// Memory is what the buffers of all decoders together may take, in bytes,
	// without the index and the tables of the code. Computing parity again
	// takes memory of the decoders. If zero, it is a quarter of the file's
	// size, but not more than 48 MiB or a quarter of MemoryLimit, and not less
	// than DefaultMemory.
	Memory int

	// MemoryLimit is what the file that is received may take in all, in bytes:
	// its index, tables, decoders and cache of hash records. Memory and
	// LeafMemory are lowered to fit. A file that needs more ([NeedOf]) is
	// refused, with ReasonMemory. If zero, only the index is limited.
	MemoryLimit int

	// LeafMemory is what the cache of hash records may take, in bytes. If zero,
	// DefaultLeafMemory.
	LeafMemory int

	// InMemory says that the bytes in a store are memory, too, as on a tmpfs: they
	// count against MemoryLimit.
	InMemory bool

	// SignatureRate is the highest number of signatures that are verified in a
	// second. If zero, DefaultSignatureRate.
	SignatureRate int

	// Workers is the number of groups decoded at a time. If zero, one for
	// every processor.
	Workers int

	// Observe, if not nil, is called synchronously for every Event, with the
	// receiver's time. It must not block.
	Observe func(now time.Time, e Event)
}

func (c Config) withDefaults() Config {
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if c.MaxObjects == 0 {
		c.MaxObjects = DefaultMaxObjects
	}
	if c.LeafMemory == 0 {
		c.LeafMemory = DefaultLeafMemory
	}
	if c.SignatureRate == 0 {
		c.SignatureRate = DefaultSignatureRate
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	return c
}

func (c Config) validate() error {
	if c.Open == nil {
		return fmt.Errorf("receiver: Config without Open")
	}
	if c.MaxSize > 1<<62 || c.Memory < 0 || c.MemoryLimit < 0 || c.Workers < 0 || c.LeafMemory < 0 || c.SignatureRate < 0 || c.MaxObjects < 0 || c.MaxObjects > proto.MaxCatalogue {
		return fmt.Errorf("receiver: limit out of range")
	}
	if c.Trust != nil && len(c.Trust.Keys) == 0 {
		return fmt.Errorf("receiver: Config.Trust without a key")
	}
	return nil
}
