// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"runtime"
	"time"

	"iotupd/proto"
)

// Defaults and limits of a [Config].
const (
	DefaultMaxSize = 256 << 30
	DefaultMemory  = 64 << 20

	// maxIndex bounds the memory of a fresh index, in bytes. It is three times
	// what DefaultMaxSize needs at the default shard size.
	maxIndex = 128 << 20
	// flushAfter bounds how long a received shard stays in memory only.
	flushAfter = 250 * time.Millisecond
	// uncertifiedFor is how long an object without a manifest stays chosen
	// while another one has shown its own; senders repeat theirs within 10 s.
	uncertifiedFor = 12 * time.Second
	// maxAttempts is how often a wrong SHA-256 starts the transfer again.
	maxAttempts = 3
)

// Config tells a [Receiver] what to receive. Open must be set, or IndexOnly;
// all else may be zero.
type Config struct {
	// Open makes the store of an object that the receiver begins with. Name
	// and content of the object are not certain then.
	Open func(proto.ObjectID, proto.Params) (Store, error)

	// IndexOnly keeps account of shards and throws their bytes away. There is
	// no store, no job, and nothing to verify: it is for simulations, which
	// use [Receiver.HandleHeader].
	IndexOnly bool

	// Object is the only object to receive. If zero, any.
	Object proto.ObjectID

	// Name accepts the file name in an object's manifest, which may be empty.
	// If nil, every name will do.
	Name func(string) bool

	// MaxSize is the largest file to receive, in bytes. If zero, DefaultMaxSize.
	MaxSize uint64

	// Memory is what the buffers of all decoders together may take, in bytes,
	// beside the index and the tables of the code. If zero, DefaultMemory.
	Memory int

	// Workers is the number of groups decoded at a time. If zero, one for
	// every processor.
	Workers int

	// Observe, if not nil, is called synchronously for every Event, with the
	// receiver's time. It must not block.
	Observe func(now time.Time, e Event)

	// Heard, if not nil, is called synchronously for every undamaged packet of
	// the chosen object, with where it came from and its path word: the
	// sequence numbers tell which packets were lost. It must not block.
	Heard func(from Origin, p proto.Path)
}

func (c Config) withDefaults() Config {
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	return c
}

func (c Config) validate() error {
	if (c.Open == nil) != c.IndexOnly {
		return fmt.Errorf("receiver: Config wants either Open or IndexOnly")
	}
	if c.MaxSize > 1<<62 || c.Memory < 0 || c.Workers < 0 {
		return fmt.Errorf("receiver: limit out of range")
	}
	return nil
}

// A Receiver decides what to keep of what arrives. It does no socket I/O, reads
// no clock and starts no goroutine, and it is not safe for concurrent use.
type Receiver struct {
	cfg Config
	now time.Time

	object   *object // the chosen one; nil: none yet
	refused  recent  // objects that were looked at and are not wanted
	reported recent  // objects told by OtherObject
	attempts int

	flushAt time.Time // zero: nothing to flush
	err     error     // why the transfer failed
	done    bool

	received received
	flows    flows
	lossThen Loss // when everything was collected
}

// received counts the useful and useless packets of the chosen object.
type received struct{ data, parity, manifests uint64 }

// New returns a receiver that has heard nothing yet.
func New(cfg Config) (*Receiver, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Receiver{cfg: cfg}, nil
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
	}
}

// Handle takes a datagram that arrived at now. It does not keep it. An error,
// always a [proto.Reason], says why the datagram was ignored; that changes
// nothing but a count of the caller.
func (r *Receiver) Handle(now time.Time, from Origin, datagram []byte) error {
	r.now = now
	h, payload, err := proto.Parse(datagram)
	if err != nil {
		return err
	}
	if err := r.look(&h); err != nil {
		return err
	}
	if !proto.ChecksumOK(datagram) {
		return proto.ReasonChecksum
	}
	return r.take(from, &h, payload)
}

// HandleHeader is Handle of an undamaged datagram of which only the header is
// there, and the payload if it is a MANIFEST. It needs Config.IndexOnly.
func (r *Receiver) HandleHeader(now time.Time, from Origin, h *proto.Header, manifest []byte) error {
	if !r.cfg.IndexOnly {
		panic("receiver: HandleHeader without Config.IndexOnly")
	}
	r.now = now
	if err := r.look(h); err != nil {
		return err
	}
	return r.take(from, h, manifest)
}

// look drops what is not worth a checksum.
func (r *Receiver) look(h *proto.Header) error {
	switch {
	case h.Sealed:
		return ReasonSealed
	case r.Done():
		return ReasonNotNeeded
	case r.object != nil && r.object.id == h.Object:
	case r.unwanted(h.Object):
		return ReasonOtherObject
	}
	return nil
}

// take handles an undamaged packet of an object that is or may be the chosen
// one.
func (r *Receiver) take(from Origin, h *proto.Header, payload []byte) error {
	if r.object == nil || r.object.id != h.Object {
		if err := r.meet(from, h, payload); err != nil || r.err != nil {
			return err
		}
	}
	err := r.accept(from, h, payload)
	if r.cfg.IndexOnly {
		r.settle()
	}
	return err
}

// settle ends a transfer without bytes: there is nothing to read back.
func (r *Receiver) settle() {
	if o := r.object; o != nil && o.manifest != nil && o.index.done() {
		r.done = true
		r.observe(Verified{})
	}
}

// accept handles an undamaged packet of the chosen object, in the order of
// spec.md 7.1.
func (r *Receiver) accept(from Origin, h *proto.Header, payload []byte) error {
	if h.Type == proto.TypeManifest && r.object.manifest == nil {
		if err := r.certify(h, payload); err != nil || r.err != nil {
			return err
		}
	}
	o := r.object
	if err := o.geo.Admits(h); err != nil {
		return err
	}
	r.flows.observe(from, h.Path.Layer, h.Path.Seq)
	if r.cfg.Heard != nil {
		r.cfg.Heard(from, h.Path)
	}

	switch h.Type {
	case proto.TypeManifest:
		r.received.manifests++
		return nil
	case proto.TypeData:
		r.received.data++
	case proto.TypeParity:
		r.received.parity++
	default:
		return proto.ReasonDigest
	}
	return r.stored(h.Group, o.add(h, payload))
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
	o := r.object
	if r.flushAt.IsZero() {
		r.flushAt = r.now.Add(flushAfter)
	}
	if o.index.groups[g].state == full {
		r.filled(g)
	}
	r.checkCollected()
	return nil
}

// filled is called when a group holds K shards, some of them parity.
func (r *Receiver) filled(g uint32) {
	o := r.object
	if !r.cfg.IndexOnly {
		o.ready = append(o.ready, g)
		return
	}
	r.decoded(g)
}

// decoded is called when all data shards of a group are in their places.
func (r *Receiver) decoded(g uint32) {
	o := r.object
	rebuilt := len(o.index.groups[g].parked) // each stood in for one
	o.rebuilt += uint64(rebuilt)
	o.index.finish(g)
	r.observe(GroupDecoded{Group: g, Rebuilt: rebuilt})
}

// checkCollected is called once for every shard that was stored, so that it
// tells just once when the last needed one is there.
func (r *Receiver) checkCollected() {
	if x := r.object.index; x.enough == x.geo.Groups {
		r.lossThen = r.flows.total()
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
