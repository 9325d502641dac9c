// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/sender"
	"iotupd/sender/directory"
)

// scan reads what is in the directories among the files.
func (o *sendOptions) scan(ctx context.Context, out *cli.Output, unit *service, paths []string) error {
	o.scanned = make(map[string]*directory.Directory)
	names := make(map[string]string)
	for i := range o.files {
		names[o.files[i].Path] = nameOf(&o.files[i])
	}
	for _, path := range paths {
		if o.scanned[path] != nil || len(paths) > sender.MaxUnlisted {
			continue // the agent says why that cannot be
		}
		d, err := o.Scan(ctx, out, path, cmp.Or(o.cfg.Name, names[path]), func(entries int) {
			unit.Starting(time.Now(), func() string { return fmt.Sprintf("reads %s: %d files and directories", path, entries) })
		})
		if err != nil {
			o.closeScanned()
			return err
		}
		if d != nil {
			o.scanned[path] = d
		}
	}
	if len(o.scanned) == 0 && o.Preserve != (archive.Preserve{}) && len(paths) <= sender.MaxUnlisted {
		return cli.UsageError("--preserve is for directories, and none is sent")
	}
	return nil
}

// closeScanned closes directories that the agent did not get.
func (o *sendOptions) closeScanned() {
	for _, d := range o.scanned {
		d.Close()
	}
}

// checkTrees reports shards that are too small for digests.
func (v *sendView) checkTrees() error {
	geometries := v.agent.Geometries()
	for _, d := range v.agent.Directories() {
		if d != nil {
			geometries = append(geometries, d.Geometry)
		}
	}
	for _, g := range geometries {
		if err := v.opts.CheckTree(g); err != nil {
			return err
		}
	}
	return nil
}

// A directoryEvent is what a directory has, and what sending its inventory amounts to.
type directoryEvent struct {
	Name        string  `json:"directory_name"`
	Files       int     `json:"directory_files"`
	Directories int     `json:"directory_directories"`      // with the directory itself
	Others      int     `json:"directory_others,omitempty"` // symbolic links, devices, FIFOs
	Content     uint64  `json:"directory_content_bytes"`    // of the files
	Preserve    string  `json:"preserve,omitempty"`
	Inventory   uint64  `json:"inventory_bytes"`
	Object      string  `json:"inventory_object,omitempty"`
	Groups      uint64  `json:"inventory_groups"`
	Data        uint64  `json:"inventory_data_packets"`   // of a loop
	Parity      uint64  `json:"inventory_parity_packets"` // of a loop
	Digests     uint64  `json:"inventory_digest_packets"` // of a loop
	Share       float64 `json:"inventory_rate_share"`
	DataTime    float64 `json:"inventory_data_seconds"`
	LoopTime    float64 `json:"inventory_loop_seconds"`
}

// fractions returns which part of the rate each file gets, and the inventory of each that is a
// directory.
func (v *sendView) fractions() (files, inventories []float64) {
	geos, directories := v.agent.Geometries(), v.agent.Directories()
	weights := make([]float64, len(geos), 2*len(geos))
	for i, f := range v.opts.files {
		weights[i] = f.Weight
	}
	n := len(geos)
	for i, d := range directories {
		if d != nil {
			geos, weights = append(geos, d.Geometry), append(weights, weights[i])
		}
	}
	all := shares[v.opts.set.share].Fractions(geos, weights)
	if v.catalogue() != nil {
		for i := range all {
			all[i] *= 1 - sender.CatalogueFraction
		}
	}
	inventories = make([]float64, n)
	for i, next := 0, n; i < n; i++ {
		if directories[i] != nil {
			inventories[i] = all[next]
			next++
		}
	}
	return all[:n], inventories
}

// addDirectory adds to the schedule of file i what it is if it is a directory, whose inventory
// gets a fraction of the rate.
func (v *sendView) addDirectory(s *schedule, i int, fraction float64) {
	d := v.agent.Directories()[i]
	if d == nil {
		return
	}
	e := &directoryEvent{
		Name: v.agent.Manifests()[i].DirectoryName(), Files: d.Counts.Files, Directories: d.Counts.Directories, Others: d.Counts.Others, Content: d.Counts.Content,
		Preserve: v.opts.Preserve.String(), Inventory: d.Geometry.Size, Groups: d.Geometry.Groups, Share: fraction,
	}
	if d.Inventory.Archive != (proto.ObjectID{}) { // it is encoded
		e.Object = d.Inventory.Descriptor.Object().String()
	}
	e.Data, e.Parity, e.Digests = v.packets(d.Geometry)
	if s.Rate > 0 && fraction > 0 {
		rate := float64(s.Rate) * fraction
		e.DataTime = float64(e.Data) * v.packetBits() / rate
		e.LoopTime = float64(e.Data+e.Parity+e.Digests) * v.packetBits() / rate
	}
	temporary, _ := d.Preparation.ScratchBytes(d.Geometry)
	s.TempFile += temporary
	least, fast := describe.ReceiversNeed(d.Geometry.Params)
	s.Memory, s.Fast = max(s.Memory, int64(least)), max(s.Fast, int64(fast))
	s.Directory = e
}

// describeDirectory prints what is in a directory.
func (v *sendView) describeDirectory(s schedule, counts directory.Counts) {
	e := s.Directory
	v.out.Line("%s", encode.Counted(counts))
	object, when, prepared := "", "", ""
	if e.Object != "" {
		object = "  object " + e.Object[:8] + "..."
	}
	if e.DataTime > 0 {
		when = fmt.Sprintf("  data %s, whole loop %s", seconds(e.DataTime), seconds(e.LoopTime))
	}
	if s.Prepared > 0 {
		prepared = "  prepared in " + seconds(s.Prepared)
	}
	v.out.Line("inventory  %v%s   %.1f%% of the rate%s%s", quantity.Size(e.Inventory), object, 100*e.Share, when, prepared)
}
