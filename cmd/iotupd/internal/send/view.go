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
	"iotupd/sender"
	"iotupd/sender/agent"
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

	lost     int // files that are not sent any more
	lostSaid int // of which a warning was printed
	left     int // files that are sent
}

// name is the name of the file, for a status.
func (v *sendView) name() string {
	if n := len(v.agent.Manifests()); n > 1 {
		return fmt.Sprintf("%d files", n)
	}
	return displayName(v.agent.Manifest())
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
	for i := range all {
		all[i].Object = v.agent.Manifests()[i].Descriptor.Object().String()
		all[i].Prepared = took.Seconds()
		v.out.Event("sending", all[i])
	}
	set := v.set()
	if set != nil {
		set.Object = v.catalogue().Descriptor.Object().String()
		v.out.Event("set", set)
	}
	v.describeAll(all, set)
	v.showRoute(all, "Ctrl-C stops", fasterHint)
	v.showHint()
	v.warnJumbo()
	v.warnExpired()
}

// warnExpired warns of manifests that receivers refuse.
func (v *sendView) warnExpired() {
	now := uint64(time.Now().Unix())
	manifests, several := v.agent.Manifests(), len(v.agent.Manifests()) > 1
	if c := v.catalogue(); c != nil {
		manifests = append(manifests, c)
	}
	warned := 0
	for _, m := range manifests {
		of := ""
		switch {
		case m.Catalogue > 0:
			of = " of the set"
		case several:
			of = " of " + displayName(m)
		}
		if at := m.Expires; at != 0 && at <= now && warned < fewFiles {
			warned++
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
	Files []objectProgressEvent    `json:"by_file,omitempty"`      // if there are several, and not more than 16
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
	v.warnOfMoreDropped()
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
	v.warnOfMoreDropped()
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
		"plan": schedule{}, "sending": schedule{}, "set": setEvent{}, "progress": sendProgressEvent{}, "stopped": stoppedEvent{},
		"paused": pausedEvent{}, "continued": pausedEvent{}, "interface": routeEvent{}, "waiting": waitingEvent{},
	}
}
