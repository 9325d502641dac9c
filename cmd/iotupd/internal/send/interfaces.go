// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"net/netip"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/multicast"
)

// An interfaceView shows what a sender does on one interface.
type interfaceView struct {
	name   string
	speed  cli.Speed    // of packets
	paused bool         // nobody listens
	bound  sender.Bound // that a warning was about
	since  time.Time    // when it had its rate; zero: not yet
	queue  queueWatch
	share  queueShare
}

// on returns the view of an interface.
func (v *sendView) on(name string) *interfaceView {
	if v.interfaces == nil {
		v.interfaces = make(map[string]*interfaceView)
	}
	if v.interfaces[name] == nil {
		v.interfaces[name] = &interfaceView{name: name}
	}
	return v.interfaces[name]
}

// progress shows what is new of an interface, whose name is empty if it is the only
// one.
func (i *interfaceView) progress(v *sendView, now time.Time, name string, p sender.Progress) {
	i.speed.Add(now, p.Packets)
	i.pause(v.out, name, p.Paused)
	i.warnSlow(v, now, name, p)
	i.checkQueue(v, now, p)
}

// leaving is how many packets leave the host in a second.
func (i *interfaceView) leaving() float64 { return i.speed.PerSecond() * i.share.left }

// queueDrops is how many packets the queues of all interfaces have dropped.
func (v *sendView) queueDrops() (n uint64) {
	for _, i := range v.interfaces {
		n += i.queue.drops.Load()
	}
	return n
}

// stopQueues ends what looks at the queues.
func (v *sendView) stopQueues() {
	for _, i := range v.interfaces {
		i.queue.stop()
	}
}

// A routeEvent says in JSON where packets go on an interface.
type routeEvent struct {
	Interface string   `json:"interface"`
	Group     string   `json:"multicast_group,omitempty"`
	Port      uint16   `json:"port"`
	Sources   []string `json:"sources,omitempty"` // for recv --source
}

func (v *sendView) newRouteEvent(r multicast.Route) routeEvent {
	e := routeEvent{Interface: r.Interface, Port: r.Port, Sources: v.sources([]multicast.Route{r})}
	if r.Group.IsValid() {
		e.Group = r.Group.String()
	}
	return e
}

// sources are the addresses that source-specific receivers have to name.
func (v *sendView) sources(routes []multicast.Route) (list []string) {
	for _, r := range routes {
		if v.opts.cfg.Network.SourceSpecific && r.Source.IsValid() {
			list = append(list, r.Source.String())
		}
	}
	return list
}

// whereText says where packets go on an interface.
func whereText(r multicast.Route) string {
	return fmt.Sprintf("%s -> %v", r.Interface, netip.AddrPortFrom(r.Group, r.Port))
}

// opened shows an interface that is sent on from now on, beside others.
func (v *sendView) opened(r multicast.Route) {
	v.routes = append(v.routes, r)
	v.on(r.Interface).watchQueue()
	e := v.newRouteEvent(r)
	v.out.Event("interface", e)
	v.out.Line("%s", whereText(r))
	for _, source := range e.Sources {
		v.out.Line("receivers there: recv --source %s", source)
	}
}

type waitingEvent struct {
	Interface string  `json:"interface,omitempty"` // that was named
	Text      string  `json:"text"`
	Seconds   float64 `json:"wait_seconds_left"` // 0: waits without a limit
}

// waiting shows that an interface is waited for.
func (v *sendView) waiting(e agent.Waiting) {
	left := max(0, time.Until(e.Until))
	v.out.Event("waiting", waitingEvent{Interface: e.Interface, Text: e.Err.Error(), Seconds: left.Seconds()})
	if left == 0 {
		v.out.Line("waiting: %v", e.Err)
		return
	}
	v.out.Line("waiting: %v (for %s at most)", e.Err, quantity.Duration(left))
}

type interfaceProgressEvent struct {
	Interface string  `json:"interface"`
	Loop      int     `json:"loop"`
	Fraction  float64 `json:"fraction"`
	Packets   uint64  `json:"packets"`
	Rate      float64 `json:"bits_per_second"`
	Bound     string  `json:"bound_by,omitempty"`
	Paused    bool    `json:"paused,omitempty"`
}

// each is the progress on each of several interfaces.
func (v *sendView) each(e agent.Progress) (list []interfaceProgressEvent) {
	if len(e.Interfaces) < 2 {
		return nil
	}
	for _, i := range e.Interfaces {
		list = append(list, interfaceProgressEvent{
			Interface: i.Interface, Loop: i.Loop, Fraction: i.Fraction, Packets: i.Packets,
			Rate: v.on(i.Interface).leaving() * v.packetBits(), Bound: boundNames[i.Bound], Paused: i.Paused,
		})
	}
	return list
}
