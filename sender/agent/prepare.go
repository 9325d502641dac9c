// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"

	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
)

// smallFile is the size in bytes up to which several files are encoded at a time: larger
// ones keep all cores busy by themselves.
const smallFile = 4 << 20

// prepareAll encodes the files and their catalogue.
func (a *Agent) prepareAll(ctx context.Context) error {
	configs := a.Preparations()
	if err := a.makeScratch(configs); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := preparing{agent: a}
	for _, o := range a.objects {
		work.total += weight(o)
	}
	var running sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, o := range a.objects {
		if ctx.Err() != nil {
			break
		}
		cfg := configs[i]
		cfg.Progress = work.of(o)
		cfg.Cached = func(u filesource.CacheUse) { a.observe(Cached{u}) }
		prepare := func() {
			if err := o.prepare(ctx, cfg); err != nil {
				cancel(err)
			}
		}
		if len(a.objects) == 1 || o.geo.Size > smallFile {
			prepare()
			continue
		}
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			prepare()
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := a.refuseDuplicates(); err != nil {
		return err
	}
	return a.prepareCatalogue(ctx)
}

// refuseDuplicates refuses files with the same content, encoded in the same way: they are
// one object, and a set has it once.
func (a *Agent) refuseDuplicates() error {
	paths := make(map[proto.ObjectID]string, len(a.objects))
	first, more := "", ""
	n := 0
	for _, o := range a.objects {
		id := o.manifest.Descriptor.Object()
		other, ok := paths[id]
		if paths[id] = o.Path; !ok {
			continue
		}
		if n++; n == 1 {
			first = fmt.Sprintf("%s and %s have the same content", other, o.Path)
		} else {
			more = fmt.Sprintf(", and %d more files have that of another one", n-1)
		}
	}
	if n == 0 {
		return nil
	}
	return &ConfigError{fmt.Errorf("%s%s: a set has it once, so leave out all files except one", first, more)}
}

// weight is the work of encoding a file, compared with others.
func weight(o *object) float64 { return float64(max(1, o.geo.Size)) }

// preparing adds up the work of all files.
type preparing struct {
	agent *Agent

	mu          sync.Mutex
	done, total float64
}

// of returns the [filesource.Config.Progress] of a file.
func (p *preparing) of(o *object) func(fraction float64) {
	before := 0.0
	return func(fraction float64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done += (fraction - before) * weight(o)
		before = fraction
		p.agent.observe(Preparing{p.done / p.total})
	}
}

// Preparations says how each file is encoded. What is kept in memory of all of them, and of
// the catalogue, keeps to the limit: a file gets what those before it leave.
func (a *Agent) Preparations() (all []filesource.Config) {
	memory := cmp.Or(a.cfg.Prepare.Memory, sender.DefaultMemory)
	if a.catalogue != nil {
		used, _ := a.catalogue.config(a, memory).MemoryBytes(a.catalogue.geo)
		memory -= int64(used)
	}
	for _, o := range a.objects {
		cfg := a.cfg.Prepare
		cfg.Memory = max(1, memory)
		cfg.Scratch = a.scratch
		cfg.Sparse = len(a.objects) > sender.MaxUnlisted
		cfg.WithoutDigests = cfg.WithoutDigests || o.Manifest != nil && o.Manifest.Descriptor.Root == proto.Digest{}
		used, _ := cfg.MemoryBytes(o.geo) // an error shows when it is encoded
		memory -= int64(used)
		all = append(all, cfg)
	}
	return all
}

// makeScratch makes one temporary file for all that does not fit into memory, if there are
// several files.
func (a *Agent) makeScratch(configs []filesource.Config) error {
	if len(a.objects) == 1 && a.catalogue == nil {
		return nil
	}
	total := uint64(0)
	for i, o := range a.objects {
		n, _ := configs[i].ScratchBytes(o.geo)
		total += n
	}
	if a.catalogue != nil {
		n, _ := a.catalogue.config(a, cmp.Or(a.cfg.Prepare.Memory, sender.DefaultMemory)).ScratchBytes(a.catalogue.geo)
		total += n
	}
	if total == 0 {
		return nil
	}
	var err error
	if a.scratch, err = filesource.NewScratch(int64(total)); err != nil {
		return err
	}
	for i := range configs {
		configs[i].Scratch = a.scratch
	}
	return nil
}

// release frees what was prepared.
func (a *Agent) release() {
	for _, o := range a.objects {
		if o.prepared != nil {
			o.prepared.Close()
		}
	}
	if a.catalogue != nil && a.catalogue.prepared != nil {
		a.catalogue.prepared.Close()
	}
	if a.scratch != nil {
		a.scratch.Close()
		a.scratch = nil
	}
}

// prepare encodes the file, and puts the manifest to send into the object. One
// that was given has to be of that object.
func (o *object) prepare(ctx context.Context, cfg filesource.Config) (err error) {
	if o.prepared, err = filesource.Prepare(ctx, o.file, o.geo.Params, cfg); err != nil {
		return err
	}
	d := o.prepared.Manifest.Descriptor
	for _, other := range o.others {
		if other.Descriptor == d {
			o.manifest = *other
		}
	}
	if o.Manifest == nil {
		o.manifest.Descriptor = d
	}
	if o.manifest.Descriptor != d {
		return &MismatchError{Path: o.Path, Want: o.manifest.Descriptor, Got: d}
	}
	o.prepared.Manifest = o.manifest
	return nil
}
