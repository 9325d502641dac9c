// SPDX-License-Identifier: GPL-2.0-or-later

// Package agent sends a file, or several: it does what the command iotupd send does, without
// a terminal. It opens the file, encodes it, finds the network and runs the
// carousel, and reports by events.
//
// # Goroutines and cancellation
//
// [New] starts nothing. [Agent.Send] runs until its context ends, or until the
// wanted loops are done; then it announces the end to receivers for up to a
// second, and returns when all goroutines that it started have ended. There is
// one for each interface: a disk that does not answer may delay the return, but
// not sending. An Agent is for one goroutine. The callback of [Config] is called
// by one goroutine at a time, but not always by the same.
//
// # Memory
//
// The file is read from where it is, again and again. Its parity and digests are
// kept in memory up to [filesource.Config.Memory], and beyond that in a temporary
// file, or in the cache if there is one. What the cache had before is read from there,
// verified and sent, a few MiB at a time. While the file is encoded, buffers of
// half as much again are used, and all cores. Unless there are no digests, 32 bytes
// more are kept for every digest packet.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// Config says what to send, how and where. Only File is required.
type Config struct {
	// File is the path of the file. It must not change while it is sent, and is
	// watched for that.
	File string

	// Manifest describes the file to receivers. It usually comes from
	// [manifestfile.Read], and must belong to this file. If nil, an unsigned
	// manifest is made: with Name, which is by default the name of File, and with
	// the groups and the parity that Encoding says.
	Manifest *proto.Manifest
	Name     string
	Encoding fec.Policy

	// Weight is how popular the file is compared with More, for Share. If zero, 1.
	Weight float64

	// More are further files that are sent with it, as a set (spec.md 6.5), and Share is
	// the rule by which they share the rate.
	More  []File
	Share sender.Share

	// Prepare says how much memory encoding may take, and where to keep the
	// result for the next time. Its callbacks are not used: see Observe. A
	// Manifest decides whether there are digests.
	Prepare filesource.Config

	// Carousel says how fast to send, in how many layers, to whom, and for how
	// long. The overhead of packets and the rate of the link are filled in.
	Carousel sender.Config

	// Network says where to send. If neither channel nor group is named, it is
	// the channel of the Manifest, or else [proto.DefaultChannel].
	Network multicast.Config

	// Wait is how long to wait at the start for interfaces that do not exist,
	// have no link, or no address yet. If zero, [DefaultWait]. If negative, there
	// is no wait. Interfaces that disappear later are waited for without end.
	Wait time.Duration

	// WhenListened sends only while somebody on this network listens (Linux, with
	// CAP_NET_RAW).
	WhenListened bool

	// Priority says whether to ask the system to be woken in time.
	Priority Priority

	// Observe, if not nil, is called with every event. It blocks sending on an
	// interface until it returns; meanwhile, other interfaces go on, and Progress
	// is left out.
	Observe func(Event)

	// Logger gets failures that the transfer outlives. If nil, they are not
	// logged.
	Logger *slog.Logger
}

// A File is what [Config] has of a file.
type File struct {
	Path     string
	Manifest *proto.Manifest
	Name     string
	Encoding fec.Policy
	Weight   float64
}

// files returns all files.
func (c *Config) files() []File {
	return append([]File{{c.File, c.Manifest, c.Name, c.Encoding, c.Weight}}, c.More...)
}

// A Priority says whether to ask for real-time priority, or else for short time slices,
// which keeps a stream even on a busy host.
type Priority int

// Priorities.
const (
	PriorityAuto   Priority = iota // unless system calls are filtered: a filter may end the process for it
	PriorityAlways                 // in any case
	PriorityNever
)

// A ConfigError says that a [Config] makes no sense, or not for this file.
type ConfigError struct{ Err error }

// Error implements error.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// A NameError says that a manifest cannot have the name of the file.
type NameError struct{ Err error }

// Error implements error.
func (e *NameError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NameError) Unwrap() error { return e.Err }

// A MismatchError says that the file is not the one of the manifest. If Got and
// Want differ in size, the file was not read, and only the size of Got is valid.
type MismatchError struct {
	Path      string
	Want, Got proto.Descriptor
}

// Error implements error.
func (e *MismatchError) Error() string {
	if e.Want.Size != e.Got.Size {
		return fmt.Sprintf("%s has %d bytes, but the file that the manifest describes has %d", e.Path, e.Got.Size, e.Want.Size)
	}
	return fmt.Sprintf("%s is not the file that the manifest describes: its SHA-256 is %x there, and %x here", e.Path, e.Want.SHA256, e.Got.SHA256)
}

// An Agent sends files.
type Agent struct {
	cfg      Config
	objects  []*object
	routes   []multicast.Route
	routeErr error

	observing sync.Mutex // held during cfg.Observe
}

// An object is a file that is sent.
type object struct {
	File
	file     *filesource.File
	manifest proto.Manifest
	geo      proto.Geometry
	check    func() error // whether the file is still the same
	prepared *filesource.Prepared
}

// New opens the files and chooses how to encode them and where to send them. It does
// not read the files, and sends nothing. The caller closes the agent. Errors are
// of type [*ConfigError], [*NameError], [*MismatchError], [*filesource.FileError]
// or [*filesource.KindError], or wrap [fec.ErrPolicy]. What is wrong with the
// network is for [Agent.Routes] and [Agent.Send] to say.
func New(cfg Config) (*Agent, error) {
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	a := &Agent{cfg: cfg}
	for _, f := range cfg.files() {
		if err := a.open(f); err != nil {
			a.Close()
			return nil, err
		}
	}
	a.findRoutes()
	return a, nil
}

// open opens a file.
func (a *Agent) open(f File) error {
	file, err := filesource.Open(f.Path)
	if err != nil {
		return err
	}
	o := &object{File: f, file: file, check: file.Check}
	a.objects = append(a.objects, o)
	if err := o.describe(); err != nil {
		return err
	}
	first := a.objects[0]
	switch {
	case o.geo.ShardSize != first.geo.ShardSize:
		return &ConfigError{fmt.Errorf("%s has shards of %d bytes and %s of %d: files that are sent together need equal ones", first.Path, first.geo.ShardSize, f.Path, o.geo.ShardSize)}
	case f.Manifest != nil && first.Manifest != nil && f.Manifest.Channel != first.Manifest.Channel:
		return &ConfigError{fmt.Errorf("%s is signed for the channel %q and %s for %q", first.Path, first.Manifest.Channel, f.Path, f.Manifest.Channel)}
	}
	return nil
}

// describe makes the manifest, whose descriptor has parameters only unless it
// was given, and the geometry.
func (o *object) describe() (err error) {
	if given := o.Manifest; given != nil {
		o.manifest = *given
		if size := uint64(o.file.Size()); size != given.Descriptor.Size {
			return &MismatchError{Path: o.Path, Want: given.Descriptor, Got: proto.Descriptor{Params: proto.Params{Size: size}}}
		}
	} else {
		o.manifest.Name = cmp.Or(o.Name, filepath.Base(o.Path))
		if err := proto.CheckName(o.manifest.Name); err != nil {
			return &NameError{err}
		}
		if o.manifest.Descriptor.Params, err = o.Encoding.Params(uint64(o.file.Size())); err != nil {
			return err
		}
	}
	if _, err := o.manifest.AppendPayload(nil); err != nil {
		return &ConfigError{err}
	}
	if o.geo, err = o.manifest.Descriptor.Geometry(); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// findRoutes finds the routes, and whether the datagrams fit them.
func (a *Agent) findRoutes() {
	n := &a.cfg.Network
	if n.Channel == "" {
		n.Channel = proto.DefaultChannel
		if a.cfg.Manifest != nil {
			n.Channel = a.cfg.Manifest.Channel
		}
	}
	a.routes, a.routeErr = multicast.FindRoutes(*n)
	for _, r := range a.routes {
		if err := r.Fits(a.DatagramLen()); err != nil && (a.routeErr == nil || isNotReady(a.routeErr)) {
			a.routeErr = err
		}
	}
}

// Close closes the files.
func (a *Agent) Close() (err error) {
	for _, o := range a.objects {
		err = errors.Join(err, o.file.Close())
	}
	return err
}

// Manifest returns the manifest of the first file: see [Agent.Manifests].
func (a *Agent) Manifest() *proto.Manifest { return &a.objects[0].manifest }

// Manifests returns the manifests of all files. Before a file is encoded, the
// descriptor of a manifest that was not given has parameters only.
func (a *Agent) Manifests() (all []*proto.Manifest) {
	for _, o := range a.objects {
		all = append(all, &o.manifest)
	}
	return all
}

// Geometry returns the geometry of the first file: see [Agent.Geometries].
func (a *Agent) Geometry() proto.Geometry { return a.objects[0].geo }

// Geometries says how the files are divided into groups.
func (a *Agent) Geometries() (all []proto.Geometry) {
	for _, o := range a.objects {
		all = append(all, o.geo)
	}
	return all
}

// DatagramLen is the size in bytes of every datagram.
func (a *Agent) DatagramLen() int {
	h := proto.Header{Params: a.objects[0].geo.Params, Sealed: a.cfg.Carousel.Seal != nil}
	return h.DatagramLen()
}

// Routes returns where packets would go if they were sent now, one route for each
// interface. When the error is not nil, the routes say as much as is known. Errors are
// of type [*multicast.Error]; one that wraps a [*multicast.NotReadyError] is what
// [Agent.Send] waits for.
func (a *Agent) Routes() ([]multicast.Route, error) { return a.routes, a.routeErr }

// observe reports an event.
func (a *Agent) observe(e Event) {
	if a.cfg.Observe != nil {
		a.observing.Lock()
		defer a.observing.Unlock()
		a.cfg.Observe(e)
	}
}

// observeUnless reports an event unless another one is being reported.
func (a *Agent) observeUnless(e Event) {
	if a.cfg.Observe != nil && a.observing.TryLock() {
		defer a.observing.Unlock()
		a.cfg.Observe(e)
	}
}

func (a *Agent) log() *slog.Logger {
	if a.cfg.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.cfg.Logger
}

// Send encodes the file, unless the cache has it, and sends it until ctx ends,
// whose cause is returned then, or until all loops are done. Errors of the
// network are of type [*multicast.Error], errors of the file
// [*filesource.FileError] or [*filesource.ChangedError]; others are as in [New].
// With several interfaces, an error of the network is returned if all have
// failed, or if all loops are done and any has failed.
func (a *Agent) Send(ctx context.Context) error {
	if a.routeErr != nil && !isNotReady(a.routeErr) {
		return a.routeErr
	}
	// Interfaces come first: what is wrong with the network shows at once, and not
	// after a gigabyte has been encoded.
	n := multicast.Follow(a.cfg.Network, a.cfg.Logger)
	defer n.Close()
	began := time.Now()
	t := &transfer{agent: a, deadline: began.Add(a.cfg.Wait), prepared: make(chan struct{}), first: make(chan struct{}), dropped: make(map[int]bool)}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	defer t.cancel(nil)
	var running sync.WaitGroup
	t.start(n, &running)
	defer a.release()
	if err := a.prepareAll(t.ctx); err != nil {
		t.cancel(err)
		running.Wait()
		return context.Cause(t.ctx)
	}
	took := time.Since(began)
	t.opening.Wait()
	select {
	case <-t.ctx.Done():
		running.Wait()
		return context.Cause(t.ctx)
	case <-t.first:
	}
	defer t.watch()()
	begin := time.Now()
	a.observe(Sending{Took: took, Routes: t.routes()})
	close(t.prepared)
	running.Wait()
	a.observe(Stopped{t.progress().Progress, time.Since(begin)})
	if err := context.Cause(t.ctx); err != nil {
		return err
	}
	for _, o := range t.outlets {
		if o.err != nil {
			return o.err
		}
	}
	return nil
}

// prepareAll encodes the files, one after the other.
func (a *Agent) prepareAll(ctx context.Context) error {
	total, done := 0.0, 0.0
	for _, o := range a.objects {
		total += float64(max(1, o.file.Size()))
	}
	for i, cfg := range a.Preparations() {
		o := a.objects[i]
		share := float64(max(1, o.file.Size())) / total
		cfg.Progress = func(fraction float64) { a.observe(Preparing{done + share*fraction}) }
		cfg.Cached = func(u filesource.CacheUse) { a.observe(Cached{u}) }
		if err := o.prepare(ctx, cfg); err != nil {
			return err
		}
		done += share
	}
	return nil
}

// Preparations says how each file is encoded. What is kept in memory of all of them keeps
// to the limit: a file gets what those before it leave.
func (a *Agent) Preparations() (all []filesource.Config) {
	memory := cmp.Or(a.cfg.Prepare.Memory, sender.DefaultMemory)
	for _, o := range a.objects {
		cfg := a.cfg.Prepare
		cfg.Memory = max(1, memory)
		cfg.WithoutDigests = cfg.WithoutDigests || o.Manifest != nil && o.Manifest.Descriptor.Root == proto.Digest{}
		used, _ := cfg.MemoryBytes(o.geo) // an error shows when it is encoded
		memory -= int64(used)
		all = append(all, cfg)
	}
	return all
}

// release frees what was prepared.
func (a *Agent) release() {
	for _, o := range a.objects {
		if o.prepared != nil {
			o.prepared.Close()
		}
	}
}

// prepare encodes the file, and puts the manifest to send into the object. One
// that was given has to be of that object.
func (o *object) prepare(ctx context.Context, cfg filesource.Config) (err error) {
	if o.prepared, err = filesource.Prepare(ctx, o.file, o.geo.Params, cfg); err != nil {
		return err
	}
	d := o.prepared.Manifest.Descriptor
	if o.Manifest == nil {
		o.manifest.Descriptor = d
	}
	if o.manifest.Descriptor != d {
		return &MismatchError{Path: o.Path, Want: o.manifest.Descriptor, Got: d}
	}
	o.prepared.Manifest = o.manifest
	return nil
}

// checkEvery is the time between two looks at the files.
const checkEvery = time.Second

// watch looks at the files again and again. It has a goroutine of its own, since a file
// system may take long to answer. stop waits for its end.
func (t *transfer) watch() (stop func()) {
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(checkEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-stopped:
				return
			}
			for i, o := range t.agent.objects {
				if err := o.check(); err != nil {
					t.drop(i, err)
				}
			}
		}
	})
	return func() { close(stopped); watching.Wait() }
}

// drop has a file not sent any more. If none is left, or there was only one, that is the
// end of the transfer.
func (t *transfer) drop(i int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped[i] {
		return
	}
	t.dropped[i] = true
	left := len(t.agent.objects) - len(t.dropped)
	if left == 0 {
		t.changed = err
		return
	}
	for _, o := range t.outlets {
		o.drops <- i // has room for all
	}
	t.lost = append(t.lost, Dropped{Manifest: &t.agent.objects[i].manifest, Err: err, Left: left})
}
