// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"

	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
)

// prepareAll encodes the files and their catalogue.
func (a *Agent) prepareAll(ctx context.Context) error {
	configs := a.Preparations()
	if err := a.makeScratch(configs); err != nil {
		return err
	}
	var sizes []int64
	for _, o := range a.objects {
		sizes = append(sizes, o.source.Size())
	}
	work := filesource.NewMeter(sizes, func(fraction float64) { a.observe(Preparing{fraction}) })
	err := filesource.PrepareEach(ctx, sizes, func(ctx context.Context, i int) error {
		cfg := configs[i]
		cfg.Progress = work.Of(sizes[i])
		cfg.Cached = func(u filesource.CacheUse) { a.observe(Cached{u}) }
		return a.objects[i].prepare(ctx, cfg)
	})
	if err != nil {
		return err
	}
	if err := a.refuseDuplicates(); err != nil {
		return err
	}
	return a.prepareCatalogue(ctx)
}

// refuseDuplicates refuses files with the same content.
func (a *Agent) refuseDuplicates() error {
	var paths []string
	var objects []proto.ObjectID
	for _, o := range a.objects {
		paths, objects = append(paths, o.Path), append(objects, o.manifest.Descriptor.Object())
	}
	if err := filesource.FindDuplicates(paths, objects); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// Preparations says how each file is encoded. What is kept in memory of all of them, of the
// catalogue and of inventories, keeps to the limit: a file gets what those before it leave.
func (a *Agent) Preparations() (all []filesource.Config) {
	memory := cmp.Or(a.cfg.Prepare.Memory, sender.DefaultMemory)
	if a.catalogue != nil {
		used, _ := a.catalogue.config(a, memory).MemoryBytes(a.catalogue.geo)
		memory -= int64(used)
	}
	for _, o := range a.objects {
		if d := o.directory; d != nil {
			d.Preparation = o.inventoryConfig(a.cfg.Prepare, memory)
			d.Preparation.Scratch = a.scratch
			used, _ := d.Preparation.MemoryBytes(d.Geometry)
			memory -= int64(used)
		}
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
// several objects.
func (a *Agent) makeScratch(configs []filesource.Config) error {
	if len(a.objects) == 1 && a.catalogue == nil && a.objects[0].directory == nil {
		return nil
	}
	total := uint64(0)
	for i, o := range a.objects {
		n, _ := configs[i].ScratchBytes(o.geo)
		total += n
		if d := o.directory; d != nil {
			n, _ := d.Preparation.ScratchBytes(d.Geometry)
			total += n
		}
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
		if d := a.objects[i].directory; d != nil {
			d.Preparation.Scratch = a.scratch
		}
	}
	return nil
}

// release frees what was prepared.
func (a *Agent) release() {
	for _, o := range a.objects {
		if o.prepared != nil {
			o.prepared.Close()
		}
		if d := o.directory; d != nil && d.prepared != nil {
			d.prepared.Close()
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
	if o.directory != nil {
		return o.prepareDirectory(ctx, cfg)
	}
	if o.prepared, err = filesource.Prepare(ctx, o.source, o.geo.Params, cfg); err != nil {
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
