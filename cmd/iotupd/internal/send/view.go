// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// A sendView shows what a sender does.
type sendView struct {
	opts   sendOptions
	out    *cli.Output
	agent  *agent.Agent
	routes []multicast.Route // of interfaces that are, or will be, sent on; one at least

	preparation encode.Preparation
	sends       bool // it is prepared
	interfaces  map[string]*interfaceView
}

// route is the first one.
func (v *sendView) route() multicast.Route { return v.routes[0] }

// observe shows an event.
func (v *sendView) observe(e agent.Event) {
	switch e := e.(type) {
	case agent.Watching:
		v.warnBeyondRouter()
	case agent.Waiting:
		v.waiting(e)
	case agent.Opened:
		v.opened(e.Route)
	case agent.Preparing:
		v.preparation.Show(v.out, time.Now(), e.Fraction)
	case agent.Cached:
		encode.ShowCached(v.out, e.CacheUse)
	case agent.Sending:
		v.routes = e.Routes
		v.started(e.Took)
	case agent.Progress:
		v.progress(e)
	case agent.Dropped:
		v.dropped(e)
	case agent.Stopped:
		v.stopped(e)
	}
}

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
}

// schedules returns the schedule of each file.
func (v *sendView) schedules() (all []schedule) {
	geos := v.agent.Geometries()
	if len(geos) == 1 {
		return []schedule{v.schedule(0, 1)}
	}
	weights := make([]float64, len(geos))
	for i, f := range v.opts.files {
		weights[i] = f.Weight
	}
	for i, fraction := range shares[v.opts.set.share].Fractions(geos, weights) {
		s := v.schedule(i, fraction)
		s.Files, s.Share = len(geos), fraction
		all = append(all, s)
	}
	return all
}

// schedule returns the schedule of a file that gets a fraction of the rate.
func (v *sendView) schedule(file int, fraction float64) schedule {
	g, m, p := v.agent.Geometries()[file], v.agent.Manifests()[file], v.agent.Preparations()[file]
	s := schedule{
		Name: m.Name, Sequence: m.Sequence, Sealed: v.opts.groupKey != "", Bytes: g.Size, Code: g.Code.String(), Groups: g.Groups, K: g.K, M: g.M, Shard: g.ShardSize,
		Layers: v.opts.cfg.Carousel.Layers, Rate: v.rate(),
		Interface: v.route().Interface, Port: v.opts.Port,
	}
	for _, sig := range m.Signatures {
		s.SignedBy = append(s.SignedBy, sig.KeyID.String())
	}
	s.Data, s.Parity = g.LoopPackets()
	if tree, err := g.Tree(); err == nil && g.Size > 0 && v.opts.Digest != "off" {
		s.Digests = tree.Total()
	}
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

// rate is the rate of all layers together, or else of the link; zero if that is
// not known either.
func (v *sendView) rate() int64 {
	if v.opts.cfg.Carousel.Rate == unlimited {
		return v.route().Speed
	}
	return int64(v.opts.totalRate())
}

// packetBits is the size of a whole IP packet.
func (v *sendView) packetBits() float64 {
	return float64(8 * (v.agent.DatagramLen() + v.route().Overhead()))
}

// plan prints what send would do.
func (v *sendView) plan(networkErr error) {
	all := v.schedules()
	for i, s := range all {
		if networkErr != nil {
			s.Failure = networkErr.Error()
		}
		if i == len(all)-1 {
			v.out.Final("plan", s, "")
		} else {
			v.out.Event("plan", s)
		}
		v.describe(s, v.agent.Manifests()[i])
	}
	v.showRoute(all, fasterHint)
	v.showHint()
	v.warnJumbo()
	for _, s := range all {
		v.planFile(s)
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

func (v *sendView) describe(s schedule, m *proto.Manifest) {
	object := ""
	if s.Object != "" {
		object = "  object " + s.Object[:8] + "..."
	}
	origin := describe.SignedBy(m)
	if s.Sealed {
		origin += ", sealed"
	}
	v.out.Line("%s  %v%s  %s   %s", s.Name, quantity.Size(s.Bytes), object, origin, describe.Shape(s.Groups, s.K, s.M))
	v.out.Line("memory: %s", describe.Memory(s.Memory, s.Fast))
	if s.Files > 1 {
		v.out.Line("%.1f%% of the rate%s", 100*s.Share, times(s))
	}
}

// fasterHint is for those who have not chosen a rate.
const fasterHint = "faster: -r 100M"

// showRoute prints where files are sent.
func (v *sendView) showRoute(all []schedule, hints ...string) {
	s := all[0]
	if s.Files > 1 {
		s.Rate = 0 // each has times of its own
	}
	if v.opts.rate() != sender.DefaultRate {
		hints = slices.DeleteFunc(hints, func(h string) bool { return h == fasterHint })
	}
	hint := ""
	if len(hints) > 0 {
		hint = "  (" + strings.Join(hints, "; ") + ")"
	}
	where := "(no network)"
	if v.route().Group.IsValid() {
		where = whereText(v.route())
	}
	each := ""
	if len(v.routes) > 1 || len(v.opts.cfg.Network.Interfaces) > 1 {
		each = " on each interface"
	}
	v.out.Line("%s  %s%s%s%s", where, v.ratesText(), each, times(s), hint)
	for _, r := range v.routes[1:] {
		v.out.Line("%s", whereText(r))
	}
	if len(s.Sources) > 0 {
		v.out.Line("receivers: recv --source %s", strings.Join(s.Sources, ","))
	}
}

// times says how long a loop takes, as far as it is known.
func times(s schedule) string {
	if s.Rate == 0 {
		return ""
	}
	text := fmt.Sprintf("  data %s, whole loop %s", seconds(s.DataTime), seconds(s.LoopTime))
	if s.Layers > 1 {
		text += fmt.Sprintf(", on the lowest layer alone %s", seconds(s.Lowest))
	}
	return text
}

// ofLayers says which loops are counted, if there are several layers: those that bring a
// receiver of the lowest layer everything.
func (v *sendView) ofLayers() string {
	if v.opts.cfg.Carousel.Layers > 1 {
		return " of the lowest layer"
	}
	return ""
}

func seconds(s float64) string { return quantity.Duration(time.Duration(s * float64(time.Second))) }

// started prints what is sent and where.
func (v *sendView) started(took time.Duration) {
	v.sends = true
	for _, r := range v.routes {
		v.on(r.Interface).watchQueue()
	}
	all := v.schedules()
	for i, s := range all {
		m := v.agent.Manifests()[i]
		s.Object = m.Descriptor.Object().String()
		s.Prepared = took.Seconds()
		v.out.Event("sending", s)
		v.describe(s, m)
	}
	v.showRoute(all, "Ctrl-C stops", fasterHint)
	v.showHint()
	v.warnJumbo()
	for _, m := range v.agent.Manifests() {
		of := ""
		if len(all) > 1 {
			of = " of " + m.Name
		}
		if at := m.Expires; at != 0 && at <= uint64(time.Now().Unix()) {
			v.out.Warn(cli.Warning{Code: reason.SendExpired, Text: fmt.Sprintf("the manifest%s expired on %s: receivers refuse it", of, describe.Date(at))})
		}
	}
}

type sendProgressEvent struct {
	Loop     int     `json:"loop"`
	Fraction float64 `json:"fraction"`
	Packets  uint64  `json:"packets"`
	Rate     float64 `json:"bits_per_second"`                   // that leaves the host
	Bound    string  `json:"bound_by,omitempty"`                // what keeps it from being faster, if not --rate: link, processor or source
	Dropped  uint64  `json:"packets_dropped_by_host,omitempty"` // in the queues of the interfaces, including packets of other programs

	All   []interfaceProgressEvent `json:"by_interface,omitempty"` // if there are several
	Files []objectProgressEvent    `json:"by_file,omitempty"`      // if there are several
}

// progress prints the live line.
func (v *sendView) progress(e agent.Progress) {
	now, p := e.At, e.Progress
	for _, on := range e.Interfaces {
		name := on.Interface
		if len(v.opts.cfg.Network.Interfaces) < 2 {
			name = "" // no word of it
		}
		v.on(on.Interface).progress(v, now, name, on.Progress)
	}
	if !v.out.ProgressDue(now) {
		return
	}
	rate := 0.0
	for _, on := range e.Interfaces {
		rate += v.on(on.Interface).leaving() * v.packetBits()
	}
	v.out.Event("progress", sendProgressEvent{
		Loop: p.Loop, Fraction: p.Fraction, Packets: p.Packets, Rate: rate, Bound: boundNames[p.Bound], Dropped: v.queueDrops(), All: v.each(e), Files: v.byFile(p),
	})
	speed := quantity.Rate(rate).String()
	if p.Paused {
		speed = "paused"
	} else if p.Bound != sender.ByRate {
		speed += " (" + v.limitedBy(p.Bound) + ")"
	}
	if n := len(e.Interfaces); n > 1 {
		speed += fmt.Sprintf(" on %d interfaces", n)
	}
	v.out.ProgressLine(fmt.Sprintf(" loop %d  %2d%%%s  %s", p.Loop, int(100*p.Fraction), v.ofLayers(), speed))
}

type stoppedEvent struct {
	Loops   float64 `json:"loops"`
	Packets uint64  `json:"packets"`
	Seconds float64 `json:"seconds_sending"`
}

// stopped prints the summary.
func (v *sendView) stopped(e agent.Stopped) {
	loops := float64(e.Loop-1) + e.Fraction
	dropped := ""
	if n := v.queueDrops(); n > 0 {
		dropped = fmt.Sprintf(", and the queue of the interface has dropped %d meanwhile", n)
	}
	v.out.Final("stopped", stoppedEvent{Loops: loops, Packets: e.Packets, Seconds: e.Took.Seconds()},
		"stopped after %.2f loops%s: %d packets in %s%s", loops, v.ofLayers(), e.Packets, quantity.Duration(e.Took), dropped)
}

// Events returns an example of every event of send, by type, for docs/json.md.
func Events() map[string]any {
	return map[string]any{
		"plan": schedule{}, "sending": schedule{}, "progress": sendProgressEvent{}, "stopped": stoppedEvent{},
		"paused": pausedEvent{}, "continued": pausedEvent{}, "interface": routeEvent{}, "waiting": waitingEvent{},
	}
}
