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
	DefaultMemory        = 64 << 20
	DefaultLeafMemory    = 4 << 20
	DefaultSignatureRate = 2000

	// maxIndex bounds the memory of a fresh index, in bytes. It is enough for
	// DefaultMaxSize with shards of the default size and any profile.
	maxIndex = 160 << 20
	// flushAfter bounds how long a received shard stays in memory only.
	flushAfter = 250 * time.Millisecond
	// uncertifiedFor is how long an object without a manifest stays chosen
	// while another one has shown its own; senders repeat theirs within 10 s.
	uncertifiedFor = 12 * time.Second
	// maxAttempts is how often a wrong SHA-256 starts the transfer of an object
	// without digests again.
	maxAttempts = 3
)

// Config tells a [Receiver] what to receive. Open must be set; all else may be
// zero.
type Config struct {
	// Open makes the store of an object that the receiver begins with. Name
	// and content of the object are not certain then.
	Open func(proto.ObjectID, proto.Params) (Store, error)

	// Object is the only object to receive. If zero, any.
	Object proto.ObjectID

	// SHA256 is that of the only file to receive. If zero, any.
	SHA256 [32]byte

	// Trust says whose manifests to believe. If nil, the origin of the file is
	// not verified. It must not be changed any more.
	Trust *Policy

	// GroupKeys open sealed packets. If there are any, only packets sealed with
	// one of them are taken.
	GroupKeys []*seal.GroupKey

	// Seeds are files that may be like the wanted one, such as an older version:
	// what has the right bytes at the right offset need not be received. They
	// need an object with digests.
	Seeds []io.ReaderAt

	// Name accepts the file name in an object's manifest, which may be empty.
	// If nil, every name will do.
	Name func(string) bool

	// MaxSize is the largest file to receive, in bytes. If zero, DefaultMaxSize.
	MaxSize uint64

	// Memory is what the buffers of all decoders together may take, in bytes,
	// beside the index and the tables of the code, and what a cure may take
	// instead. If zero, DefaultMemory.
	Memory int

	// LeafMemory is what the cache of hash records may take, in bytes. If zero,
	// DefaultLeafMemory.
	LeafMemory int

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
	if c.Memory == 0 {
		c.Memory = DefaultMemory
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
	if c.MaxSize > 1<<62 || c.Memory < 0 || c.Workers < 0 || c.LeafMemory < 0 || c.SignatureRate < 0 {
		return fmt.Errorf("receiver: limit out of range")
	}
	if c.Trust != nil && len(c.Trust.Keys) == 0 {
		return fmt.Errorf("receiver: Config.Trust without a key")
	}
	return nil
}

// A Receiver decides what to keep of what arrives. It does no socket I/O, reads
// no clock and starts no goroutine, and it is not safe for concurrent use.
type Receiver struct {
	cfg  Config
	pins []proto.ObjectID // what Config.Object may be called on the wire; empty: any will do
	now  time.Time

	object   *object // the chosen one; nil: none yet
	refused  recent  // objects that were looked at and are not wanted
	reported recent  // objects told by Refused
	unsigned recent  // of these, those that anybody could have made it tell
	wary     bool    // hearsay broke a store: nothing is stored without a manifest
	attempts int
	checks   allowance // of signatures
	plain    []byte    // payload of the sealed packet that is looked at

	flushAt time.Time // zero: nothing to flush
	err     error     // why the transfer failed
	done    bool

	received received
	streams  Streams
	lossThen Loss // when everything was collected
}

// received counts the useful and useless packets of the chosen object.
type received struct{ data, parity, digests, outlines, manifests uint64 }

// New returns a receiver that has heard nothing yet.
func New(cfg Config) (*Receiver, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Receiver{cfg: cfg}
	if cfg.Object != (proto.ObjectID{}) {
		r.pins = append(r.pins, cfg.Object)
		for _, g := range cfg.GroupKeys {
			r.pins = append(r.pins, g.Object(cfg.Object))
		}
	}
	return r, nil
}

// Done reports whether the object is complete and verified, or the transfer
// has failed: see [Receiver.Err].
func (r *Receiver) Done() bool { return r.done || r.err != nil }

// Err returns why the transfer failed: a [*StoreError], [ErrIntegrity], or an
// error of Config.Open. It is nil while it goes on and after it succeeded.
func (r *Receiver) Err() error { return r.err }

// Manifest returns the manifest of the chosen object, nil before it arrived.
func (r *Receiver) Manifest() *proto.Manifest {
	if r.object == nil {
		return nil
	}
	return r.object.manifest
}

// Store returns the store of the chosen object, nil if there is none.
func (r *Receiver) Store() Store {
	if r.object == nil {
		return nil
	}
	return r.object.places.store
}

// Streams returns what is measured of the streams on which undamaged packets of
// the chosen object come. It starts again with every object that is chosen.
func (r *Receiver) Streams() *Streams { return &r.streams }

// Wake returns when to call [Receiver.Tick]; the zero time: never.
func (r *Receiver) Wake() time.Time { return r.flushAt }

// Tick does what is due at now. A call before [Receiver.Wake] is harmless.
func (r *Receiver) Tick(now time.Time) {
	r.now = now
	if r.flushAt.IsZero() || now.Before(r.flushAt) {
		return
	}
	r.flushAt = time.Time{}
	if err := r.object.places.flush(); err != nil {
		r.fail(err)
		r.excuse()
	}
}

// Handle takes a datagram that arrived at now. It does not keep it. An error,
// always a [proto.Reason], says why the datagram was ignored; that changes
// nothing but a count of the caller, with the exceptions of spec.md 7.1.
func (r *Receiver) Handle(now time.Time, from Origin, datagram []byte) error {
	r.now = now
	h, payload, err := proto.Parse(datagram)
	if err != nil {
		return err
	}
	p := packet{from: from, Header: h, datagram: datagram, payload: payload, sealed: h.Sealed}
	if err := r.look(&p); err != nil {
		return err
	}
	if !proto.ChecksumOK(datagram) {
		return proto.ReasonChecksum
	}
	return r.take(&p)
}

// look drops what is not worth a checksum.
func (r *Receiver) look(p *packet) error {
	switch {
	case p.sealed && len(r.cfg.GroupKeys) == 0:
		return ReasonSealed
	case !p.sealed && len(r.cfg.GroupKeys) > 0:
		return ReasonUnsealed
	case r.Done():
		return ReasonNotNeeded
	case !r.chosen(p.Object) && r.unwanted(p):
		return ReasonOtherObject
	}
	return nil
}

// chosen reports whether an object is the one being received.
func (r *Receiver) chosen(wire proto.ObjectID) bool { return r.object != nil && r.object.wire == wire }

// take handles an undamaged packet of an object that is or may be the chosen
// one, in the order of spec.md 7.1.
func (r *Receiver) take(p *packet) (err error) {
	if !r.chosen(p.Object) {
		err = r.meet(p)
	} else if p.Type == proto.TypeManifest && r.object.manifest == nil {
		err = r.recognize(p)
	}
	if err == nil && r.err == nil {
		err = r.accept(p)
	}
	r.excuse()
	return err
}

// accept handles an undamaged packet of the chosen object.
func (r *Receiver) accept(p *packet) error {
	o := r.object
	if err := o.geo.Admits(&p.Header); err != nil {
		return err
	}
	r.streams.Note(r.now, p.from, &p.Path)

	switch p.Type {
	case proto.TypeManifest:
		r.received.manifests++
		return nil
	case proto.TypeDigest:
		r.received.digests++
		return r.learn(p)
	case proto.TypeOutline:
		r.received.outlines++
		return r.outline(p)
	case proto.TypeData:
		r.received.data++
	default:
		r.received.parity++
	}
	return r.stored(p.Group, r.add(p))
}

// stored follows up on an attempt to store a shard.
func (r *Receiver) stored(g uint32, err error) error {
	if _, ok := err.(proto.Reason); ok {
		return err
	}
	if err != nil {
		r.fail(err)
		return nil
	}
	r.flushSoon()
	r.gained(g)
	return nil
}

// flushSoon is called when something was gathered to be written.
func (r *Receiver) flushSoon() {
	if r.flushAt.IsZero() {
		r.flushAt = r.now.Add(flushAfter)
	}
}

// gained is called when group g got a shard that it lacked.
func (r *Receiver) gained(g uint32) {
	if r.object.index.groups[g].state == full {
		r.filled(g)
	}
	r.checkCollected()
}

// filled is called when a group holds K shards, some of them parity.
func (r *Receiver) filled(g uint32) {
	r.object.enlist(decodeGroup, g)
	r.suspect(g)
}

// decoded is called when all data shards of a group are in their places, and
// the index knows it.
func (r *Receiver) decoded(g uint32) {
	o := r.object
	rebuilt := len(o.index.groups[g].parked) // each stood in for one
	o.rebuilt += uint64(rebuilt)
	o.index.finish(g, decodeDone)
	r.observe(GroupDecoded{Group: g, Rebuilt: rebuilt})
	r.suspect(g)
}

// checkCollected tells when the last needed shard is there.
func (r *Receiver) checkCollected() {
	if x := r.object.index; x.enough == x.geo.Groups && !r.object.collected {
		r.object.collected = true
		r.lossThen = r.streams.Loss()
		r.observe(Collected{})
	}
}

func (r *Receiver) observe(e Event) {
	if r.cfg.Observe != nil {
		r.cfg.Observe(r.now, e)
	}
}

func (r *Receiver) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}
