// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"fmt"
	"path/filepath"

	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
)

// An object is a file that is sent.
type object struct {
	File
	source   filesource.Source
	manifest proto.Manifest
	geo      proto.Geometry
	check    func() error // whether the file is still the same, or a part of the directory
	close    func() error
	prepared *filesource.Prepared
	others   []*proto.Manifest // that may be meant instead of Manifest: of the same name and size

	directory *Directory // nil: it is a file
}

// fewOpen is how many files are open at a time, if there are more than
// [sender.MaxUnlisted].
const fewOpen = 64

// openAll opens all files.
func (a *Agent) openAll() error {
	files := a.cfg.files()
	if len(files) > sender.MaxObjects {
		return &ConfigError{fmt.Errorf("%d files: at most %d can be sent together", len(files), sender.MaxObjects)}
	}
	if a.cfg.Catalogue != nil {
		if err := a.openCatalogue(a.cfg.Catalogue); err != nil {
			return err
		}
	}
	if len(files) > sender.MaxUnlisted {
		if a.cfg.Prepare.Cache != "" {
			return &ConfigError{fmt.Errorf("a cache is for %d files at most, and there are %d", sender.MaxUnlisted, len(files))}
		}
		a.pool = filesource.NewPool(fewOpen)
	}
	for _, f := range files {
		if err := a.open(f); err != nil {
			return err
		}
	}
	return cmp.Or(a.checkDirectories(), a.describeCatalogue())
}

// openFile opens a file.
func (a *Agent) openFile(f File) (*object, error) {
	open := filesource.Open
	if a.pool != nil {
		open = a.pool.Open
	}
	file, err := open(f.Path)
	if err != nil {
		return nil, err
	}
	return &object{File: f, source: file, check: file.Check, close: file.Close}, nil
}

// open opens a file or a directory.
func (a *Agent) open(f File) error {
	open := a.openFile
	if f.Directory != nil || isDirectory(f.Path) {
		open = a.openDirectory
	}
	o, err := open(f)
	if err != nil {
		return err
	}
	a.objects = append(a.objects, o)
	if o.directory != nil && (a.pool != nil || a.catalogue != nil) {
		return a.checkDirectories()
	}
	if a.entries != nil {
		if err := a.findEntry(o); err != nil {
			return err
		}
	}
	if err := o.describe(); err != nil {
		return err
	}
	first := a.objects[0]
	switch {
	case o.geo.ShardSize != first.geo.ShardSize:
		return &ConfigError{fmt.Errorf("%s has shards of %d bytes and %s of %d: files that are sent together need equal ones", first.Path, first.geo.ShardSize, f.Path, o.geo.ShardSize)}
	case a.entries == nil && f.Manifest != nil && first.Manifest != nil && f.Manifest.Channel != first.Manifest.Channel:
		return &ConfigError{fmt.Errorf("%s is signed for the channel %q and %s for %q", first.Path, first.Manifest.Channel, f.Path, f.Manifest.Channel)}
	}
	return nil
}

// describe makes the manifest, whose descriptor has parameters only unless it
// was given, and the geometry.
func (o *object) describe() (err error) {
	describe := o.describeFile
	if o.directory != nil {
		describe = o.describeDirectory
	}
	if err := describe(); err != nil {
		return err
	}
	if _, err := o.manifest.AppendPayload(nil); err != nil {
		return &ConfigError{err}
	}
	if o.geo, err = o.manifest.Descriptor.Geometry(); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// describeFile is what describe does with a file.
func (o *object) describeFile() (err error) {
	if given := o.Manifest; given != nil {
		o.manifest = *given
		if size := uint64(o.source.Size()); given.IsArchive() {
			return &ConfigError{fmt.Errorf("%s is a file, and the manifest describes a directory", o.Path)}
		} else if size != given.Descriptor.Size {
			return &MismatchError{Path: o.Path, Want: given.Descriptor, Got: proto.Descriptor{Params: proto.Params{Size: size}}}
		}
		return nil
	}
	o.manifest.Name = cmp.Or(o.Name, filepath.Base(o.Path))
	if err := proto.CheckName(o.manifest.Name); err != nil {
		return &NameError{err}
	}
	o.manifest.Descriptor.Params, err = o.Encoding.Params(uint64(o.source.Size()))
	return err
}
