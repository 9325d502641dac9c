// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"

	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
)

// A schedule is what sending a file amounts to.
type schedule struct {
	Name      string       `json:"name"`
	Bytes     uint64       `json:"bytes"`
	Object    string       `json:"object,omitempty"`
	SignedBy  []string     `json:"signature_keys,omitempty"` // ids; not verified
	Sequence  uint64       `json:"sequence,omitempty"`
	Sealed    bool         `json:"sealed"`
	Code      string       `json:"fec_code"`
	Groups    uint64       `json:"groups"`
	K         int          `json:"k"`
	M         int          `json:"m"`
	Shard     int          `json:"shard_bytes"`
	Data      uint64       `json:"data_packets"`   // of a loop
	Parity    uint64       `json:"parity_packets"` // of a loop
	Digests   uint64       `json:"digest_packets"` // of a loop
	Layers    int          `json:"layers"`
	Rate      int64        `json:"total_bits_per_second"` // of all layers together, as the times; 0: not known
	DataTime  float64      `json:"data_seconds"`
	LoopTime  float64      `json:"loop_seconds"`
	Lowest    float64      `json:"lowest_layer_loop_seconds,omitempty"` // if there are several
	Interface string       `json:"interface,omitempty"`
	Group     string       `json:"multicast_group,omitempty"`
	Port      uint16       `json:"port"`
	Sources   []string     `json:"sources,omitempty"` // for recv --source
	All       []routeEvent `json:"routes,omitempty"`  // if there are several; the first one stands above
	TempFile  uint64       `json:"temporary_file_bytes"`
	Memory    int64        `json:"receivers_memory_bytes"`      // at least
	Fast      int64        `json:"receivers_fast_memory_bytes"` // to decode fast
	Cached    uint64       `json:"cache_bytes,omitempty"`
	Failure   string       `json:"network_error,omitempty"` // of a dry run
	Prepared  float64      `json:"seconds_preparing,omitempty"`
	Files     int          `json:"files_together,omitempty"` // if there are several
	Share     float64      `json:"rate_share,omitempty"`     // of the rate that the file gets

	Directory *directoryEvent `json:"directory,omitempty"` // if it is one; the rest is of its archive
}

// schedules returns the schedule of each file, or of the first ones of very many.
func (v *sendView) schedules() (all []schedule) {
	geos, manifests, preparations := v.agent.Geometries(), v.agent.Manifests(), v.agent.Preparations()
	fractions, inventories := v.fractions()
	for i := range min(len(geos), fewFiles) {
		s := v.schedule(fractions[i], geos[i], manifests[i], preparations[i])
		if len(geos) > 1 || v.catalogue() != nil {
			s.Files, s.Share = len(geos), fractions[i]
		}
		v.addDirectory(&s, i, inventories[i])
		all = append(all, s)
	}
	return all
}

// schedule returns the schedule of a file that gets a fraction of the rate.
func (v *sendView) schedule(fraction float64, g proto.Geometry, m *proto.Manifest, p filesource.Config) schedule {
	s := schedule{
		Name: m.Name, Sequence: m.Sequence, Sealed: v.opts.groupKey != "", Bytes: g.Size, Code: g.Code.String(), Groups: g.Groups, K: g.K, M: g.M, Shard: g.ShardSize,
		Layers: v.opts.cfg.Carousel.Layers, Rate: v.rate(),
		Interface: v.route().Interface, Port: v.opts.Port,
	}
	for _, sig := range m.Signatures {
		s.SignedBy = append(s.SignedBy, sig.KeyID.String())
	}
	s.Data, s.Parity, s.Digests = v.packets(g)
	if v.route().Group.IsValid() {
		s.Group = v.route().Group.String()
	}
	s.Sources = v.sources(v.routes)
	if len(v.routes) > 1 {
		for _, r := range v.routes {
			s.All = append(s.All, v.newRouteEvent(r))
		}
	}
	if s.Rate > 0 && fraction > 0 {
		rate := float64(s.Rate) * fraction
		s.DataTime = float64(s.Data) * v.packetBits() / rate
		s.LoopTime = float64(s.Data+s.Parity+s.Digests) * v.packetBits() / rate
		if s.Layers > 1 {
			s.Lowest = s.LoopTime * float64(s.Rate) / float64(v.opts.rate())
		}
	}
	least, fast := describe.ReceiversNeed(g.Params)
	s.Memory, s.Fast = int64(least), int64(fast)
	// The file was refused if there is an error.
	s.Cached, _ = p.CacheBytes(g)
	s.TempFile, _ = p.ScratchBytes(g)
	return s
}

// plan prints what send would do.
func (v *sendView) plan(networkErr error) {
	all, set := v.schedules(), v.set()
	if set != nil {
		v.out.Event("set", set)
	}
	for i, s := range all {
		if networkErr != nil {
			s.Failure = networkErr.Error()
		}
		if i == len(all)-1 {
			v.out.Final("plan", s, "")
		} else {
			v.out.Event("plan", s)
		}
	}
	v.describeAll(all, set)
	v.showRoute(all, fasterHint)
	v.showHint()
	v.warnJumbo()
	if set != nil && set.Files > fewFiles {
		v.planSet(set)
	} else {
		for _, s := range all {
			v.planFile(s)
		}
	}
	v.out.Line("dry run: nothing was sent")
}

// planFile prints what a file takes.
func (v *sendView) planFile(s schedule) {
	packets := fmt.Sprintf("%d data and %d parity", s.Data, s.Parity)
	if s.Digests > 0 {
		packets = fmt.Sprintf("%d data, %d parity and %d digest", s.Data, s.Parity, s.Digests)
	}
	of := ""
	if s.Files > 1 {
		of = " of " + s.Name
	}
	v.out.Line("a loop%s is %s packets of %d bytes", of, packets, int(v.packetBits()/8))
	if s.TempFile > 0 {
		v.out.Line("a temporary file of %v in %s is needed, since --memory is %v", quantity.Size(s.TempFile), filesource.ScratchDir(), v.opts.Memory)
	}
	if s.Cached > 0 {
		v.out.Line("%v of parity and digests are kept in %s", quantity.Size(s.Cached), v.opts.Cache)
	}
}

func (v *sendView) describe(s schedule, i int) {
	v.describeFile(s, v.agent.Manifests()[i])
	if s.Directory != nil {
		v.describeDirectory(s, v.agent.Directories()[i].Counts)
	}
	v.out.Line("memory: %s", describe.Memory(s.Memory, s.Fast))
	if s.Files > 1 {
		v.out.Line("%.1f%% of the rate%s", 100*s.Share, times(s))
	}
}

// describeFile is the first line of it.
func (v *sendView) describeFile(s schedule, m *proto.Manifest) {
	object := ""
	if s.Object != "" {
		object = "  object " + s.Object[:8] + "..."
	}
	origin := describe.SignedBy(m)
	if s.Sealed {
		origin += ", sealed"
	}
	name := s.Name + " "
	if s.Directory != nil {
		name = s.Directory.Name + "/  archive"
	}
	v.out.Line("%s %v%s  %s   %s", name, quantity.Size(s.Bytes), object, origin, describe.Shape(s.Groups, s.K, s.M))
}

// A setEvent is what sending very many files amounts to, or files of a --set: the sum of all, and
// their catalogue.
type setEvent struct {
	Files     int      `json:"files_together"`
	Bytes     uint64   `json:"bytes"`
	Data      uint64   `json:"data_packets"`   // of a loop of all files
	Parity    uint64   `json:"parity_packets"` // of a loop of all files
	Digests   uint64   `json:"digest_packets"` // of a loop of all files
	TempFile  uint64   `json:"temporary_file_bytes"`
	Memory    int64    `json:"receivers_memory_bytes"`      // of the largest file, at least
	Fast      int64    `json:"receivers_fast_memory_bytes"` // to decode fast
	Object    string   `json:"object,omitempty"`            // the catalogue
	Catalogue uint64   `json:"catalogue_bytes"`
	SignedBy  []string `json:"signature_keys,omitempty"` // ids; not verified
	Sequence  uint64   `json:"sequence,omitempty"`
	Share     float64  `json:"rate_share"`                  // of the rate that the catalogue gets
	DataTime  float64  `json:"data_seconds,omitempty"`      // of the catalogue
	LoopTime  float64  `json:"loop_seconds,omitempty"`      // of the catalogue
	AllTime   float64  `json:"all_files_seconds,omitempty"` // for the data of all files, at the whole rate
}

// catalogue returns the manifest of the catalogue; nil if there is none.
func (v *sendView) catalogue() *proto.Manifest {
	m, _ := v.agent.Catalogue()
	return m
}

// set sums up all files; nil if they have no catalogue.
func (v *sendView) set() *setEvent {
	m, g := v.agent.Catalogue()
	if m == nil {
		return nil
	}
	preparations := v.agent.Preparations()
	e := &setEvent{
		Files: len(preparations), Catalogue: g.Size, Sequence: m.Sequence, Share: sender.CatalogueFraction,
	}
	for _, sig := range m.Signatures {
		e.SignedBy = append(e.SignedBy, sig.KeyID.String())
	}
	for i, g := range v.agent.Geometries() {
		data, parity, digests := v.packets(g)
		e.Bytes, e.Data, e.Parity, e.Digests = e.Bytes+g.Size, e.Data+data, e.Parity+parity, e.Digests+digests
		least, fast := describe.ReceiversNeed(g.Params)
		e.Memory, e.Fast = max(e.Memory, int64(least)), max(e.Fast, int64(fast))
		temporary, _ := preparations[i].ScratchBytes(g) // the file was refused if there is an error
		e.TempFile += temporary
	}
	if rate := float64(v.rate()); rate > 0 {
		data, parity, digests := v.packets(g)
		e.DataTime = float64(data) * v.packetBits() / (rate * e.Share)
		e.LoopTime = float64(data+parity+digests) * v.packetBits() / (rate * e.Share)
		e.AllTime = float64(e.Data) * v.packetBits() / (rate * (1 - e.Share))
	}
	return e
}

// packets returns how many packets of each type a loop of a file has.
func (v *sendView) packets(g proto.Geometry) (data, parity, digests uint64) {
	data, parity = g.LoopPackets()
	if tree, err := g.Tree(); err == nil && g.Size > 0 && v.opts.Digest != "off" {
		digests = tree.Total()
	}
	return data, parity, digests
}

// fewDescribed is how many of very many files are described by a line.
const fewDescribed = 3

// describeAll describes the files, or the first ones of very many, and their catalogue.
func (v *sendView) describeAll(all []schedule, set *setEvent) {
	manifests := v.agent.Manifests()
	if set == nil || set.Files <= fewFiles {
		for i, s := range all {
			v.describe(s, i)
		}
	} else {
		for i, s := range all[:fewDescribed] {
			v.describeFile(s, manifests[i])
		}
		v.out.Line("and %d more files, %v in all", set.Files-fewDescribed, quantity.Size(set.Bytes))
		v.out.Line("memory: %s", describe.Memory(set.Memory, set.Fast))
	}
	if set == nil {
		return
	}
	object, when := "", ""
	if set.Object != "" {
		object = "  object " + set.Object[:8] + "..."
	}
	if set.DataTime > 0 {
		when = fmt.Sprintf("  data %s, whole loop %s", seconds(set.DataTime), seconds(set.LoopTime))
	}
	v.out.Line("list of the files  %v%s  %s   %.1f%% of the rate%s", quantity.Size(set.Catalogue), object, describe.SignedBy(v.catalogue()), 100*set.Share, when)
	if set.Files > fewFiles && set.AllTime > 0 {
		v.out.Line("data of all files %s", seconds(set.AllTime))
	}
}

// planSet prints what very many files take.
func (v *sendView) planSet(e *setEvent) {
	v.out.Line("a loop of all files is %d data, %d parity and %d digest packets of %d bytes", e.Data, e.Parity, e.Digests, int(v.packetBits()/8))
	if e.TempFile > 0 {
		v.out.Line("a temporary file of %v in %s is needed, since --memory is %v", quantity.Size(e.TempFile), filesource.ScratchDir(), v.opts.Memory)
	}
}
