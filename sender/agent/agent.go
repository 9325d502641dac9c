// SPDX-License-Identifier: GPL-2.0-or-later

// Package agent sends a file: it does what the command iotupd send does, without
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

	// Prepare says how much memory encoding may take, and where to keep the
	// result for the next time. Its callbacks are not used: see Observe. A
	// Manifest decides whether there are digests.
	Prepare filesource.Config

	// Carousel says how fast to send, in how many layers, to whom, and for how
	// long. The overhead of packets and the rate of the link are filled in.
	Carousel sender.Config

	// Network says where to send. If neither channel nor group is named, it is
	// the channel of the Manifest, or else [multicast.DefaultChannel].
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

// An Agent sends one file.
type Agent struct {
	cfg      Config
	file     *filesource.File
	manifest proto.Manifest
	geo      proto.Geometry
	routes   []multicast.Route
	routeErr error
	check    func() error // whether the file is still the same

	observing sync.Mutex // held during cfg.Observe
}

// New opens the file and chooses how to encode it and where to send it. It does
// not read the file, and sends nothing. The caller closes the agent. Errors are
// of type [*ConfigError], [*NameError], [*MismatchError], [*filesource.FileError]
// or [*filesource.KindError], or wrap [fec.ErrPolicy]. Errors of the network are
// reported by [Agent.Routes] and [Agent.Send].
func New(cfg Config) (*Agent, error) {
	f, err := filesource.Open(cfg.File)
	if err != nil {
		return nil, err
	}
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	a := &Agent{cfg: cfg, file: f, check: f.Check}
	if err := a.describe(); err != nil {
		f.Close()
		return nil, err
	}
	a.findRoutes()
	return a, nil
}

// describe makes the manifest, whose descriptor has parameters only unless it
// was given, and the geometry.
func (a *Agent) describe() (err error) {
	if given := a.cfg.Manifest; given != nil {
		a.manifest = *given
		a.cfg.Prepare.WithoutDigests = given.Descriptor.Root == proto.Digest{}
		if size := uint64(a.file.Size()); size != given.Descriptor.Size {
			return &MismatchError{Path: a.cfg.File, Want: given.Descriptor, Got: proto.Descriptor{Params: proto.Params{Size: size}}}
		}
	} else {
		a.manifest.Name = cmp.Or(a.cfg.Name, filepath.Base(a.cfg.File))
		if err := proto.CheckName(a.manifest.Name); err != nil {
			return &NameError{err}
		}
		if a.manifest.Descriptor.Params, err = a.cfg.Encoding.Params(uint64(a.file.Size())); err != nil {
			return err
		}
	}
	if _, err := a.manifest.AppendPayload(nil); err != nil {
		return &ConfigError{err}
	}
	if a.geo, err = a.manifest.Descriptor.Geometry(); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// findRoutes finds the routes, and whether the datagrams fit them.
func (a *Agent) findRoutes() {
	n := &a.cfg.Network
	if n.Channel == "" {
		n.Channel = multicast.DefaultChannel
		if a.cfg.Manifest != nil {
			n.Channel = a.manifest.Channel
		}
	}
	a.routes, a.routeErr = multicast.FindRoutes(*n)
	for _, r := range a.routes {
		if err := r.Fits(a.DatagramLen()); err != nil && (a.routeErr == nil || isNotReady(a.routeErr)) {
			a.routeErr = err
		}
	}
}

// Close closes the file.
func (a *Agent) Close() error { return a.file.Close() }

// Manifest returns the manifest that is sent. Before the file is encoded, the
// descriptor of a manifest that was not given has parameters only.
func (a *Agent) Manifest() *proto.Manifest { return &a.manifest }

// Geometry says how the file is divided into groups.
func (a *Agent) Geometry() proto.Geometry { return a.geo }

// DatagramLen is the size in bytes of every datagram.
func (a *Agent) DatagramLen() int {
	h := proto.Header{Params: a.geo.Params, Sealed: a.cfg.Carousel.Seal != nil}
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
	t := &transfer{agent: a, deadline: began.Add(a.cfg.Wait), prepared: make(chan struct{}), first: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	defer t.cancel(nil)
	var running sync.WaitGroup
	t.start(n, &running)
	o, err := a.prepare(t.ctx)
	if err != nil {
		t.cancel(err)
		running.Wait()
		return context.Cause(t.ctx)
	}
	defer o.Close()
	took := time.Since(began)
	t.object = o.Object
	t.opening.Wait()
	select {
	case <-t.ctx.Done():
		running.Wait()
		return context.Cause(t.ctx)
	case <-t.first:
	}
	var stop func()
	t.failed, stop = watch(a.check)
	defer stop()
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

// prepare encodes the file, and puts the manifest to send into the object. A
// manifest that was given must belong to that object.
func (a *Agent) prepare(ctx context.Context) (*filesource.Prepared, error) {
	cfg := a.cfg.Prepare
	cfg.Progress = func(fraction float64) { a.observe(Preparing{fraction}) }
	cfg.Cached = func(u filesource.CacheUse) { a.observe(Cached{u}) }
	o, err := filesource.Prepare(ctx, a.file, a.geo.Params, cfg)
	if err != nil {
		return nil, err
	}
	d := o.Manifest.Descriptor
	if a.cfg.Manifest == nil {
		a.manifest.Descriptor = d
	}
	if a.manifest.Descriptor != d {
		o.Close()
		return nil, &MismatchError{Path: a.cfg.File, Want: a.manifest.Descriptor, Got: d}
	}
	o.Manifest = a.manifest
	return o, nil
}

// checkEvery is the time between two looks at the file.
const checkEvery = time.Second

// watch calls check again and again, up to its first error. It has a goroutine of
// its own, since a file system may take long to answer. stop waits for its end.
func watch(check func() error) (failed <-chan error, stop func()) {
	failures, stopped := make(chan error, 1), make(chan struct{})
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
			if err := check(); err != nil {
				failures <- err
				return
			}
		}
	})
	return failures, func() { close(stopped); watching.Wait() }
}
