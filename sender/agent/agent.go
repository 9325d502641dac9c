// SPDX-License-Identifier: GPL-2.0-or-later

// Package agent sends a file: it does what the command iotupd send does, without
// a terminal. It opens the file, encodes it, finds the network and runs the
// carousel, and reports by events.
//
// # Goroutines and cancellation
//
// [New] starts nothing. [Agent.Send] runs until its context ends, or until the
// loops asked for are done; then it says goodbye to receivers for up to a second,
// and returns when all goroutines that it started have ended: a disk that does not
// answer may keep it, but not what it sends. An Agent is for one goroutine. The
// callback of [Config] is called by one goroutine at a time, but not always by the
// same.
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
	"iotupd/internal/clock"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// Config says what to send, how and where. File is all that it needs.
type Config struct {
	// File is the path of the file. It must not change while it is sent, and is
	// watched for that.
	File string

	// Manifest is what receivers are told of the file, mostly from
	// [manifestfile.Read]. It has to be of this file. If nil, one is made that is
	// not signed: then Name is the name that receivers are told, that of File if
	// empty, and Encoding says which groups and how much parity the file gets.
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

	// WhenListened sends only while somebody on this network listens (Linux, with
	// CAP_NET_RAW).
	WhenListened bool

	// Observe, if not nil, is told what happens. It holds up sending until it
	// returns.
	Observe func(Event)

	// Logger gets failures that the transfer outlives. If nil, they are not
	// logged.
	Logger *slog.Logger
}

// A ConfigError says that a [Config] makes no sense, or not for this file.
type ConfigError struct{ Err error }

// Error implements error.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// A NameError says that receivers cannot be told the name of the file.
type NameError struct{ Err error }

// Error implements error.
func (e *NameError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NameError) Unwrap() error { return e.Err }

// A MismatchError says that the file is not the one of the manifest. Of Got,
// only the size counts if it is not that of Want: then the file was not read.
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
	route    multicast.Route
	routeErr error
	check    func() error // whether the file is still the same
}

// New opens the file and chooses how to encode it and where to send it. It does
// not read the file, and sends nothing. The caller closes the agent. Errors are
// of type [*ConfigError], [*NameError], [*MismatchError], [*filesource.FileError]
// or [*filesource.KindError], or wrap [fec.ErrPolicy]. What is wrong with the
// network is for [Agent.Route] and [Agent.Send] to say.
func New(cfg Config) (*Agent, error) {
	f, err := filesource.Open(cfg.File)
	if err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, file: f, check: f.Check}
	if err := a.describe(); err != nil {
		f.Close()
		return nil, err
	}
	a.findRoute()
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

// findRoute finds the route, and whether the datagrams fit it.
func (a *Agent) findRoute() {
	n := &a.cfg.Network
	if n.Channel == "" {
		n.Channel = multicast.DefaultChannel
		if a.cfg.Manifest != nil {
			n.Channel = a.manifest.Channel
		}
	}
	if a.route, a.routeErr = multicast.FindRoute(*n); a.routeErr == nil {
		a.routeErr = a.route.Fits(a.DatagramLen())
	}
}

// Close closes the file.
func (a *Agent) Close() error { return a.file.Close() }

// Manifest returns what receivers are told of the file. Before the file is
// encoded, the descriptor of a manifest that was not given has parameters only.
func (a *Agent) Manifest() *proto.Manifest { return &a.manifest }

// Geometry says how the file is divided into groups.
func (a *Agent) Geometry() proto.Geometry { return a.geo }

// DatagramLen is the size in bytes of every datagram.
func (a *Agent) DatagramLen() int {
	h := proto.Header{Params: a.geo.Params, Sealed: a.cfg.Carousel.Seal != nil}
	return h.DatagramLen()
}

// Route returns where packets will go. When the error is not nil, the route says
// as much as is known. Errors are of type [*multicast.Error].
func (a *Agent) Route() (multicast.Route, error) { return a.route, a.routeErr }

// observe reports an event.
func (a *Agent) observe(e Event) {
	if a.cfg.Observe != nil {
		a.cfg.Observe(e)
	}
}

// Send encodes the file, unless the cache has it, and sends it until ctx ends,
// whose cause is returned then, or until all loops are done. Errors of the
// network are of type [*multicast.Error], those of the file [*filesource.FileError]
// or [*filesource.ChangedError]; else as those of [New].
func (a *Agent) Send(ctx context.Context) error {
	if a.routeErr != nil {
		return a.routeErr
	}
	// The sockets come first: what is wrong with the network shows at once, and
	// not after a gigabyte has been encoded.
	conns, err := a.route.Dial(max(1, a.cfg.Carousel.Layers))
	if err != nil {
		return err
	}
	defer multicast.Close(conns)
	var listened <-chan bool
	if a.cfg.WhenListened {
		a.observe(Watching{})
		news, stop, err := a.route.Listened(ctx, a.cfg.Logger)
		if err != nil {
			return err
		}
		defer stop()
		listened = news
	}
	began := time.Now()
	o, err := a.prepare(ctx)
	if err != nil {
		return err
	}
	defer o.Close()
	a.cfg.Carousel.Overhead = a.route.Overhead()
	a.cfg.Carousel.LinkRate = a.route.Speed
	s, err := sender.New(a.cfg.Carousel, o.Object)
	if err != nil {
		return &ConfigError{err}
	}
	a.observe(Sending{Took: time.Since(began)})
	return a.run(ctx, s, conns, listened)
}

// prepare encodes the file, and puts the manifest to send into the object. One
// that was given has to be of that object.
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

// watch calls check again and again, up to its first error. That is not done by the
// goroutine that sends: a file system may take long to answer. stop waits for its end.
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

// run sends until it is stopped.
func (a *Agent) run(ctx context.Context, s *sender.Sender, conns []sender.Conn, listened <-chan bool) error {
	claim := clock.Claim
	if a.cfg.Carousel.Rate < 0 { // it takes all that it gets, which others want too
		claim = clock.ClaimSlices
	}
	defer claim()()
	changed, stop := watch(a.check)
	defer stop()
	begin := time.Now()
	err := sender.Run(ctx, s, conns[0], sender.RunOptions{
		Upper:    conns[1:],
		Sleep:    clock.Sleep,
		Log:      a.cfg.Logger,
		Listened: listened,
		Report: func(now time.Time, p sender.Progress) error {
			a.observe(Progress{now, p})
			select {
			case err := <-changed:
				return err
			default:
				return nil
			}
		},
	})
	a.observe(Stopped{s.Progress(), time.Since(begin)})
	if err != nil {
		return filesource.Cause(err)
	}
	return context.Cause(ctx)
}
