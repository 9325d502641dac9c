// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"

	"iotupd/proto"
	"iotupd/sender/filesource"
)

// Params are the parameters of the two objects of a directory.
type Params struct{ Archive, Inventory proto.Params }

// Prepared are the two objects of a directory, encoded. Their manifests have the descriptors,
// and point to each other.
type Prepared struct{ Archive, Inventory *filesource.Prepared }

// Close frees what they are read from.
func (p *Prepared) Close() {
	p.Archive.Close()
	p.Inventory.Close()
}

// Prepare hashes all files, and encodes the archive and the inventory, the latter with so much
// memory and without a cache: see [filesource.Prepare].
func Prepare(ctx context.Context, d *Directory, p Params, cfg, inventory filesource.Config) (*Prepared, error) {
	files, archive, list := int64(d.Counts.Content), d.Size(), int64(len(d.inventory.Bytes()))
	work := filesource.NewMeter([]int64{files, archive, list}, func(fraction float64) {
		if cfg.Progress != nil {
			cfg.Progress(fraction)
		}
	})
	if err := d.Hash(ctx, work.Of(files)); err != nil {
		return nil, err
	}
	report := cfg
	report.Progress = work.Of(archive)
	a, err := filesource.Prepare(ctx, d, p.Archive, report)
	if err != nil {
		return nil, err
	}
	report = inventory
	report.Cache, report.Progress = "", work.Of(list)
	i, err := filesource.PrepareBytes(ctx, d.inventory.Bytes(), p.Inventory, report)
	if err != nil {
		a.Close()
		return nil, err
	}
	a.Manifest.Inventory = i.Manifest.Descriptor
	i.Manifest.Archive = a.Manifest.Descriptor.Object()
	return &Prepared{Archive: a, Inventory: i}, nil
}
