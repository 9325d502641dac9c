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
// verified and sent, a few MiB at a time. Of more than [sender.MaxUnlisted] files, few
// are open at a time: others are opened when they are read, and have to be the same files
// still. They have no cache, and one temporary file together. While the file is encoded, buffers of
// half as much again are used, and all cores. Unless there are no digests, 32 bytes
// more are kept for every digest packet.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/sender"
	"iotupd/sender/directory"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// Config says what to send, how and where. Only File is required.
type Config struct {
	// File is the path of the file, or of a directory (spec.md 6.7). It must not change
	// while it is sent, and is watched for that.
	File string

	// Directory, if File is a directory, may have what [directory.Scan] found there. The
	// agent closes it. If nil, New scans it, with Preserve.
	Directory *directory.Directory

	// Preserve says which attributes of directories are sent that are not by default.
	Preserve archive.Preserve

	// Manifest describes the file to receivers. It usually comes from
	// [manifestfile.Read], and must belong to this file. If nil, an unsigned
	// manifest is made: with Name, which is by default the name of File, and with
	// the groups and the parity that Encoding says. A manifest of a directory has ".tar"
	// behind Name.
	Manifest *proto.Manifest
	Name     string
	Encoding fec.Policy

	// Weight is how popular the file is compared with More, for Share. If zero, 1.
	Weight float64

	// More are further files that are sent with it, as a set (spec.md 6.5), and Share is
	// the rule by which they share the rate.
	More  []File
	Share sender.Share

	// Catalogue is a catalogue that was signed, for example. All files have to be the ones
	// that it lists, and are sent with the manifests in it. If nil, and there are more
	// than [sender.MaxUnlisted] files, a catalogue without a signature is made.
	Catalogue *Catalogue

	// Prepare says how much memory encoding may take, and where to keep the
	// result for the next time. Its callbacks are not used: see Observe. A
	// Manifest decides whether there are digests. There is no cache for more than
	// [sender.MaxUnlisted] files.
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

	Directory *directory.Directory
}

// A Catalogue lists the manifests of all files (spec.md 6.6), and has a manifest itself.
type Catalogue struct {
	Path     string // for messages
	Content  []byte
	Manifest *proto.Manifest
}

// files returns all files.
func (c *Config) files() []File {
	return append([]File{{c.File, c.Manifest, c.Name, c.Encoding, c.Weight, c.Directory}}, c.More...)
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
	Directory bool // it is one; the descriptors are of its archive
	Want, Got proto.Descriptor
}

// Error implements error.
func (e *MismatchError) Error() string {
	if e.Directory {
		return fmt.Sprintf("%s is not the directory that the manifest describes: something in it has changed since, or other attributes are preserved", e.Path)
	}
	if e.Want.Size != e.Got.Size {
		return fmt.Sprintf("%s has %d bytes, but the file that the manifest describes has %d", e.Path, e.Got.Size, e.Want.Size)
	}
	return fmt.Sprintf("%s is not the file that the manifest describes: its SHA-256 is %x there, and %x here", e.Path, e.Want.SHA256, e.Got.SHA256)
}

// An Agent sends files.
type Agent struct {
	cfg       Config
	objects   []*object
	catalogue *catalogue            // nil: none
	entries   map[entryKey]*entries // of a catalogue that was given; nil: none was
	pool      *filesource.Pool      // of files; nil: there are few, which stay open
	scratch   *filesource.Scratch   // that all files share; nil: none
	routes    []multicast.Route
	routeErr  error

	observing sync.Mutex // held during cfg.Observe
}

// New opens the files and chooses how to encode them and where to send them. It does
// not read the files, except for names and attributes in directories, and sends nothing. The caller closes the agent. Errors are
// of type [*ConfigError], [*NameError], [*MismatchError], [*filesource.FileError]
// or [*filesource.KindError], or wrap [fec.ErrPolicy]. What is wrong with the
// network is for [Agent.Routes] and [Agent.Send] to say.
func New(cfg Config) (*Agent, error) {
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	a := &Agent{cfg: cfg}
	if err := a.openAll(); err != nil {
		a.Close()
		for _, f := range cfg.files()[len(a.objects):] {
			if f.Directory != nil {
				f.Directory.Close()
			}
		}
		return nil, err
	}
	a.findRoutes()
	return a, nil
}

// findRoutes finds the routes, and whether the datagrams fit them.
func (a *Agent) findRoutes() {
	n := &a.cfg.Network
	if n.Channel == "" {
		n.Channel = proto.DefaultChannel
		if a.cfg.Manifest != nil {
			n.Channel = a.cfg.Manifest.Channel
		} else if a.cfg.Catalogue != nil {
			n.Channel = cmp.Or(a.cfg.Catalogue.Manifest.Channel, n.Channel)
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
		err = errors.Join(err, o.close())
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
