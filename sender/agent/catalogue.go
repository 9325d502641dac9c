// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
)

// A catalogue lists the manifests of all files (spec.md 6.6).
type catalogue struct {
	content  []byte // nil: it is made when all files are encoded
	manifest proto.Manifest
	geo      proto.Geometry
	prepared *filesource.Prepared
}

// An entryKey is what a file and its entry of a catalogue have in common before the file is
// read.
type entryKey struct {
	name string
	size uint64
}

// entries are the manifests of a catalogue with one key. Which of them a file has shows when
// it is encoded.
type entries struct {
	all   []*proto.Manifest
	files int // that were given
}

// openCatalogue reads the catalogue that was given.
func (a *Agent) openCatalogue(given *Catalogue) error {
	m := given.Manifest
	if size := uint64(len(given.Content)); m.Catalogue > 0 && size != m.Descriptor.Size {
		return &MismatchError{Path: given.Path, Want: m.Descriptor, Got: proto.Descriptor{Params: proto.Params{Size: size}}}
	}
	all, err := proto.ParseCatalogue(given.Content, m.Catalogue)
	if err != nil {
		return &ConfigError{fmt.Errorf("%s: %s", given.Path, strings.TrimPrefix(err.Error(), "proto: "))}
	}
	a.catalogue = &catalogue{content: given.Content, manifest: *m}
	a.entries = make(map[entryKey]*entries, len(all))
	for _, m := range all {
		key := entryKey{m.Name, m.Descriptor.Size}
		if a.entries[key] == nil {
			a.entries[key] = &entries{}
		}
		a.entries[key].all = append(a.entries[key].all, m)
	}
	return nil
}

// findEntry takes the manifest of a file out of the catalogue.
func (a *Agent) findEntry(o *object) error {
	key := entryKey{cmp.Or(o.Name, filepath.Base(o.Path)), uint64(o.source.Size())}
	found := a.entries[key]
	switch {
	case found == nil:
		return &ConfigError{fmt.Errorf("%s is not in %s, which lists no file %q of %d bytes", o.Path, a.cfg.Catalogue.Path, key.name, key.size)}
	case found.files == len(found.all):
		return &ConfigError{fmt.Errorf("%s: another file is given already for %q in %s", o.Path, key.name, a.cfg.Catalogue.Path)}
	}
	o.Manifest, o.others = found.all[found.files], found.all
	found.files++
	return nil
}

// describeCatalogue makes the manifest of the catalogue that was not given, as far as that
// is possible before the files are encoded, and checks the one that was given.
func (a *Agent) describeCatalogue() (err error) {
	if missing := a.missing(); missing != nil {
		return missing
	}
	shard := a.objects[0].geo.ShardSize
	switch {
	case a.catalogue != nil && a.catalogue.manifest.Descriptor.ShardSize != shard:
		return &ConfigError{fmt.Errorf("%s has shards of %d bytes, and the files of %d", a.cfg.Catalogue.Path, a.catalogue.manifest.Descriptor.ShardSize, shard)}
	case a.catalogue == nil && len(a.objects) <= sender.MaxUnlisted:
		return nil
	case a.catalogue == nil:
		a.catalogue = &catalogue{manifest: proto.Manifest{Catalogue: uint32(len(a.objects))}}
		policy := a.cfg.Encoding
		policy.ShardSize = shard
		if a.catalogue.manifest.Descriptor.Params, err = CatalogueParams(a.Manifests(), policy); err != nil {
			return err
		}
	}
	if _, err := a.catalogue.manifest.AppendPayload(nil); err != nil {
		return &ConfigError{err}
	}
	if a.catalogue.geo, err = a.catalogue.manifest.Descriptor.Geometry(); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// CatalogueParams returns the parameters of the catalogue of manifests, of which only the
// lengths count.
func CatalogueParams(all []*proto.Manifest, policy fec.Policy) (proto.Params, error) {
	size := proto.CatalogueLen(all)
	if size > proto.MaxCatalogueBytes {
		return proto.Params{}, &ConfigError{fmt.Errorf("the manifests of %d files have %d bytes, and a catalogue has at most %d", len(all), size, proto.MaxCatalogueBytes)}
	}
	return policy.Params(uint64(size))
}

// fewNames is how many missing files an error names.
const fewNames = 3

// missing returns an error if there are files in the catalogue that were not given.
func (a *Agent) missing() error {
	var names []string
	for _, e := range a.entries {
		for _, m := range e.all[e.files:] {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	more := ""
	if n := len(names) - fewNames; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
		names = names[:fewNames]
	}
	return &ConfigError{fmt.Errorf("%s lists files that are not given: %s%s", a.cfg.Catalogue.Path, strings.Join(names, ", "), more)}
}

// config says how the catalogue is encoded, with so much memory.
func (c *catalogue) config(a *Agent, memory int64) filesource.Config {
	cfg := a.cfg.Prepare
	cfg.Cache, cfg.Memory, cfg.Scratch = "", max(1, memory), a.scratch
	cfg.WithoutDigests = cfg.WithoutDigests || c.content != nil && c.manifest.Descriptor.Root == proto.Digest{}
	return cfg
}

// prepareCatalogue makes the catalogue, unless it was given, and encodes it.
func (a *Agent) prepareCatalogue(ctx context.Context) (err error) {
	c := a.catalogue
	if c == nil {
		return nil
	}
	made := c.content == nil
	if made {
		if c.content, err = proto.AppendCatalogue(nil, a.Manifests()); err != nil {
			return &ConfigError{errors.New(strings.TrimPrefix(err.Error(), "proto: "))}
		}
	}
	cfg := c.config(a, cmp.Or(a.cfg.Prepare.Memory, sender.DefaultMemory))
	if c.prepared, err = filesource.PrepareBytes(ctx, c.content, c.geo.Params, cfg); err != nil {
		return err
	}
	d := c.prepared.Manifest.Descriptor
	if made {
		c.manifest.Descriptor = d
	}
	if c.manifest.Descriptor != d {
		return &MismatchError{Path: a.cfg.Catalogue.Path, Want: c.manifest.Descriptor, Got: d}
	}
	c.prepared.Manifest = c.manifest
	return nil
}

// Catalogue returns the manifest and the geometry of the catalogue; nil if there is none.
// Before all files are encoded, the descriptor of one that was not given has parameters
// only.
func (a *Agent) Catalogue() (*proto.Manifest, proto.Geometry) {
	if a.catalogue == nil {
		return nil, proto.Geometry{}
	}
	return &a.catalogue.manifest, a.catalogue.geo
}
