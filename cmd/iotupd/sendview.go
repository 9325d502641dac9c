// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/durable"
	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

// A sendView shows what a sender does.
type sendView struct {
	preparation
	opts     sendOptions
	manifest *proto.Manifest // its descriptor is complete once the file is encoded
	way      mcast.SendConfig

	begin time.Time
	speed cli.Speed // of packets

	listened <-chan bool // whether anybody listens; nil: never mind
	paused   bool        // nobody does
}

// A schedule is what sending a file amounts to.
type schedule struct {
	Name      string   `json:"name"`
	Bytes     uint64   `json:"bytes"`
	Object    string   `json:"object,omitempty"`
	SignedBy  []string `json:"signed_by,omitempty"` // key ids
	Sequence  uint64   `json:"sequence,omitempty"`
	Sealed    bool     `json:"sealed"`
	Code      string   `json:"code"`
	Groups    uint64   `json:"groups"`
	K         int      `json:"k"`
	M         int      `json:"m"`
	Shard     int      `json:"shard_bytes"`
	Data      uint64   `json:"data_packets"`   // of a loop
	Parity    uint64   `json:"parity_packets"` // of a loop
	Digests   uint64   `json:"digest_packets"` // of a loop
	Layers    int      `json:"layers"`
	Rate      int64    `json:"bits_per_second"` // of all layers together, as the times
	DataTime  float64  `json:"data_seconds"`
	LoopTime  float64  `json:"loop_seconds"`
	Interface string   `json:"interface,omitempty"`
	Group     string   `json:"group,omitempty"`
	Port      uint16   `json:"port"`
	Sources   []string `json:"sources,omitempty"` // for recv --source
	TempFile  uint64   `json:"temporary_file_bytes"`
	Cached    uint64   `json:"cache_bytes,omitempty"`
	Failure   string   `json:"network_error,omitempty"` // of a dry run
	Prepared  float64  `json:"seconds_preparing,omitempty"`
}

func (v *sendView) schedule() schedule {
	g := v.geo
	s := schedule{
		Name: v.manifest.Name, Sequence: v.manifest.Sequence, Sealed: v.opts.groupKey != "", Bytes: g.Size, Code: g.Code.String(), Groups: g.Groups, K: g.K, M: g.M, Shard: g.ShardSize,
		Layers: v.opts.layers, Rate: int64(v.opts.totalRate()),
		Interface: v.way.Interface.Name, Port: v.opts.Port,
	}
	for _, sig := range v.manifest.Signatures {
		s.SignedBy = append(s.SignedBy, sig.KeyID.String())
	}
	s.Data, s.Parity = g.LoopPackets()
	if tree, err := g.Tree(); err == nil && g.Size > 0 && v.opts.digest != "off" {
		s.Digests = tree.Total()
	}
	if v.way.Group.IsValid() {
		s.Group = v.way.Group.String()
	}
	if v.opts.ssm {
		s.Sources = cli.Texts(sourcesOf(v.way))
	}
	s.DataTime = float64(s.Data) * v.packetBits() / float64(s.Rate)
	s.LoopTime = float64(s.Data+s.Parity+s.Digests) * v.packetBits() / float64(s.Rate)
	// The file was refused if there is an error.
	if cfg := v.opts.prepareConfig(); v.opts.cache != "" {
		s.Cached, _ = cfg.KeepBytes(g)
	} else {
		s.TempFile, _ = cfg.ScratchBytes(g)
	}
	return s
}

// packetBits is the size of a whole IP packet.
func (v *sendView) packetBits() float64 {
	return float64(8 * (v.datagramLen() + proto.Overhead(v.way.Group)))
}

func (v *sendView) datagramLen() int {
	h := proto.Header{Params: v.geo.Params, Sealed: v.opts.groupKey != ""}
	return h.DatagramLen()
}

// plan prints what send would do.
func (v *sendView) plan(networkErr error) {
	s := v.schedule()
	if networkErr != nil {
		s.Failure = networkErr.Error()
	}
	v.out.Event("plan", s)
	v.describe(s)
	v.route(s, fasterHint)
	packets := fmt.Sprintf("%d data and %d parity", s.Data, s.Parity)
	if s.Digests > 0 {
		packets = fmt.Sprintf("%d data, %d parity and %d digest", s.Data, s.Parity, s.Digests)
	}
	v.out.Line("a loop is %s packets of %d bytes", packets, int(v.packetBits()/8))
	if s.TempFile > 0 {
		v.out.Line("that needs a temporary file of %v in %s, since --memory is %v", quantity.Size(s.TempFile), durable.ScratchDir(), v.opts.memory)
	}
	if s.Cached > 0 {
		v.out.Line("%v of parity and digests are kept in %s", quantity.Size(s.Cached), v.opts.cache)
	}
	v.out.Line("dry run: nothing was sent")
}

func (v *sendView) describe(s schedule) {
	object := ""
	if s.Object != "" {
		object = "  object " + s.Object[:8] + "..."
	}
	origin := describe.SignedBy(v.manifest)
	if s.Sealed {
		origin += ", sealed"
	}
	v.out.Line("%s  %v%s  %s   %s", s.Name, quantity.Size(s.Bytes), object, origin, describe.Shape(s.Groups, s.K, s.M))
}

// fasterHint is for those who have not chosen a rate.
const fasterHint = "faster: -r 100M"

func (v *sendView) route(s schedule, hints ...string) {
	if v.opts.rate != sender.DefaultRate {
		hints = slices.DeleteFunc(hints, func(h string) bool { return h == fasterHint })
	}
	hint := ""
	if len(hints) > 0 {
		hint = "  (" + strings.Join(hints, "; ") + ")"
	}
	where := "(no network)"
	if v.way.Group.IsValid() {
		where = fmt.Sprintf("%s -> %v", s.Interface, netip.AddrPortFrom(v.way.Group, s.Port))
	}
	v.out.Line("%s  %s  data %s, whole loop %s%s", where, v.opts.ratesText(), seconds(s.DataTime), seconds(s.LoopTime), hint)
	if len(s.Sources) > 0 {
		v.out.Line("receivers: recv --source %s", strings.Join(s.Sources, ","))
	}
}

func seconds(s float64) string { return quantity.Duration(time.Duration(s * float64(time.Second))) }

// started prints what is sent and where.
func (v *sendView) started() {
	s := v.schedule()
	s.Object = v.manifest.Descriptor.Object().String()
	s.Prepared = v.prepared.Seconds()
	v.out.Event("sending", s)
	v.describe(s)
	v.route(s, "Ctrl-C stops", fasterHint)
	if at := v.manifest.Expires; at != 0 && at <= uint64(time.Now().Unix()) {
		v.out.Warn(cli.Warning{Code: "expired", Text: "the manifest expired on " + describe.Date(at) + ": receivers refuse it"})
	}
}

type sendProgressEvent struct {
	Loop     int     `json:"loop"`
	Fraction float64 `json:"fraction"`
	Packets  uint64  `json:"packets"`
	Rate     float64 `json:"bits_per_second"`
}

// progress prints the live line.
func (v *sendView) progress(now time.Time, p sender.Progress) {
	v.speed.Add(now, p.Packets)
	v.pause(p.Paused)
	if !v.out.ProgressDue(now) {
		return
	}
	rate := v.speed.PerSecond() * v.packetBits()
	v.out.Event("progress", sendProgressEvent{Loop: p.Loop, Fraction: p.Fraction, Packets: p.Packets, Rate: rate})
	speed := quantity.Rate(rate).String()
	if p.Paused {
		speed = "paused"
	}
	v.out.ProgressLine(fmt.Sprintf(" loop %d  %2d%%  %s", p.Loop, int(100*p.Fraction), speed))
}

type stoppedEvent struct {
	Loops   float64 `json:"loops"`
	Packets uint64  `json:"packets"`
	Seconds float64 `json:"seconds"`
}

// stopped prints the summary.
func (v *sendView) stopped(p sender.Progress) {
	loops := float64(p.Loop-1) + p.Fraction
	took := time.Since(v.begin)
	v.out.Event("stopped", stoppedEvent{Loops: loops, Packets: p.Packets, Seconds: took.Seconds()})
	v.out.Line("stopped after %.2f loops: %d packets in %s", loops, p.Packets, quantity.Duration(took))
}
