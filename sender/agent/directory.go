// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/directory"
	"iotupd/sender/filesource"
)

// A Directory is a directory that is sent, as two objects: see [Agent.Directories].
type Directory struct {
	*directory.Directory
	Inventory   proto.Manifest // before it is encoded, the descriptor has parameters only
	Geometry    proto.Geometry // of the inventory
	Preparation filesource.Config

	prepared *filesource.Prepared // the inventory
}

// Directories says which files are directories: of others, the element is nil.
func (a *Agent) Directories() (all []*Directory) {
	a.Preparations()
	for _, o := range a.objects {
		all = append(all, o.directory)
	}
	return all
}

// isDirectory reports whether a path leads to a directory. If that is not known, opening the
// file says why.
func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// openDirectory opens a directory.
func (a *Agent) openDirectory(f File) (*object, error) {
	d := f.Directory
	if d == nil {
		var err error
		if d, err = directory.Scan(context.Background(), f.Path, directory.Config{Preserve: a.cfg.Preserve}); err != nil {
			return nil, err
		}
	}
	return &object{File: f, source: d, directory: &Directory{Directory: d}, check: d.Look, close: d.Close}, nil
}

// checkDirectories refuses directories where there are too many objects.
func (a *Agent) checkDirectories() error {
	objects, first := len(a.cfg.files()), ""
	for _, o := range a.objects {
		if o.directory != nil {
			objects++
			first = cmp.Or(first, o.Path)
		}
	}
	switch {
	case first == "":
		return nil
	case a.catalogue != nil:
		return &ConfigError{fmt.Errorf("%s is a directory, and a set that was signed together cannot have any; send it by itself, with a manifest of its own", first)}
	case objects > sender.MaxUnlisted:
		return &ConfigError{fmt.Errorf("%s is a directory, which counts as two files: with directories, at most %d can be sent together, and these are %d; send fewer at a time, or one directory that has all files", first, sender.MaxUnlisted, objects)}
	}
	return nil
}

// describeDirectory makes the manifest of the archive, as far as it is known, and checks the
// one that was given.
func (o *object) describeDirectory() (err error) {
	d, size := o.directory, uint64(len(o.directory.Directory.Inventory().Bytes()))
	if given := o.Manifest; given != nil {
		switch o.manifest = *given; {
		case !given.IsArchive():
			return &ConfigError{fmt.Errorf("%s is a directory, and the manifest describes a file", o.Path)}
		case given.Descriptor.Size != uint64(o.source.Size()) || given.Inventory.Size != size:
			return o.mismatch(proto.Descriptor{Params: proto.Params{Size: uint64(o.source.Size())}})
		}
		d.Inventory.Descriptor.Params = given.Inventory.Params
	} else if err = DescribeDirectory(&o.manifest, d.Directory, o.Name, o.Encoding); err != nil {
		return err
	}
	d.Inventory.Descriptor = o.manifest.Inventory
	if d.Geometry, err = d.Inventory.Descriptor.Geometry(); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// DescribeDirectory fills in a manifest of a directory what is known before its files are read:
// the name, by default the one of the directory, and the parameters of both objects.
// Errors are of type [*NameError], or wrap [fec.ErrPolicy].
func DescribeDirectory(m *proto.Manifest, d *directory.Directory, name string, encoding fec.Policy) (err error) {
	if name == "" {
		if name, err = directory.BaseName(d.Path()); err != nil {
			return err
		}
	}
	m.Name = name + proto.ArchiveSuffix
	if err := cmp.Or(proto.CheckName(name), proto.CheckName(m.Name)); err != nil {
		return &NameError{err}
	}
	if m.Descriptor.Params, err = encoding.Params(uint64(d.Size())); err != nil {
		return err
	}
	encoding.ShardSize = m.Descriptor.ShardSize
	m.Inventory.Params, err = encoding.Params(uint64(len(d.Inventory().Bytes())))
	return err
}

// mismatch says that the directory is not the one of its manifest. got is the archive.
func (o *object) mismatch(got proto.Descriptor) error {
	return &MismatchError{Path: o.Path, Directory: true, Want: o.manifest.Descriptor, Got: got}
}

// inventoryConfig says how the inventory of a directory is encoded, with so much memory.
func (o *object) inventoryConfig(cfg filesource.Config, memory int64) filesource.Config {
	cfg.Cache, cfg.Memory = "", max(1, memory)
	cfg.WithoutDigests = cfg.WithoutDigests || o.Manifest != nil && o.Manifest.Inventory.Root == proto.Digest{}
	return cfg
}

// prepareDirectory is prepare of a directory.
func (o *object) prepareDirectory(ctx context.Context, cfg filesource.Config) error {
	d := o.directory
	both, err := directory.Prepare(ctx, d.Directory, directory.Params{Archive: o.geo.Params, Inventory: d.Geometry.Params}, cfg, d.Preparation)
	if err != nil {
		return err
	}
	o.prepared, d.prepared = both.Archive, both.Inventory
	got := both.Archive.Manifest
	switch {
	case o.Manifest == nil:
		o.manifest.Descriptor, o.manifest.Inventory = got.Descriptor, got.Inventory
	case o.manifest.Descriptor != got.Descriptor || o.manifest.Inventory != got.Inventory:
		return o.mismatch(got.Descriptor)
	}
	o.prepared.Manifest, d.Inventory = o.manifest, both.Inventory.Manifest
	return nil
}
