// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/internal/quantity"
	"iotupd/proto"
)

const (
	layers = 4 // of the sender of links
	// climbing is what a receiver has until it should be where it belongs.
	climbing = 90.0 // seconds
)

// slow makes the cable from a port of the switch a link of so many bits per
// second, before which up to 75 ms of packets are queued.
func (l *lab) slow(port string, rate int) {
	l.t.Helper()
	burst := max(3000, rate/8/100)
	sh(l.t, l.net, fmt.Sprintf("tc qdisc add dev %s root tbf rate %dbit burst %d latency 75ms", port, rate, burst))
}

// A linked is a receiver behind a slow link.
type linked struct {
	*process
	what   string
	level  int // the highest that the link carries
	rate   int // of all layers up to there, in bits per second
	target string
	steps  []event
	end    event
}

// links starts a sender of 4 layers, and receivers behind links that carry one to
// all of them with a fifth or more to spare; two are behind the same link, where
// the second one starts when the first one has more than one layer. The switch
// sends nothing through a link that nobody behind it has joined.
func links(t *testing.T, size int64, flags ...string) (source string, all []*linked) {
	t.Helper()
	base := 500_000
	if full {
		base = 2_000_000
	}
	l := newLab(t)
	l.snoop("")
	sender := l.host(bothFamilies)
	start := func(h *host, what string, level int) *linked {
		r := &linked{what: what, level: level, rate: base << level, target: newTarget(t)}
		r.process = h.recv(r.target)
		all = append(all, r)
		return r
	}
	var hosts []*host
	carried := []int{base * 5 / 4, base * 5 / 2, base * 5, base * 20}
	for _, rate := range carried {
		h := l.host(bothFamilies)
		l.slow(fmt.Sprintf("port%d", h.n), rate)
		hosts = append(hosts, h)
	}
	const shared = 2 // the level of both behind one link
	first, second := l.hostsBehind(carried[shared])

	source = newFile(t, size)
	s := sender.send(source, append(flags, "--rate", fmt.Sprint(base), "--layers", fmt.Sprint(layers))...)
	s.wait("sending")
	for _, h := range []*host{hosts[0], first} {
		eventually(t, "the switch knows that there is no member", func() bool { return h.arrivalsFrom(s) == 0 })
	}
	for level, h := range hosts {
		start(h, quantity.Rate(carried[level]).String(), level)
	}
	one := start(first, "with another one", shared)
	one.waitFor("the first change of layers, or the file", func(e event) bool { return one.note(e) || len(one.steps) > 0 })
	start(second, "with that one", shared)
	return source, all
}

// hostsBehind adds two hosts and a second switch, which floods, behind a link of
// so many bits per second.
func (l *lab) hostsBehind(rate int) (a, b *host) {
	l.t.Helper()
	far := newLab(l.t)
	far.hosts = 100 // their addresses are others
	sh(l.t, l.net, fmt.Sprintf(`ip link add far type veth peer name near netns %s
		ethtool -K far tx-udp-segmentation off
		ip link set far master br0 up`, far.net))
	sh(l.t, far.net, "ip link set near master br0 up")
	l.slow("far", rate)
	return far.host(bothFamilies), far.host(bothFamilies)
}

// finish waits until the receiver has its file.
func (r *linked) finish(source string) {
	r.t.Helper()
	r.end = r.waitFor("done", r.note)
	r.wantExit(0, "")
	wantSame(r.t, r.target, source)
}

// giveUp stops the receiver, which heard its first packet right after its start.
func (r *linked) giveUp() {
	r.stop()
	for e := range r.events {
		r.note(e)
	}
	r.end.Seconds = time.Since(r.started).Seconds()
}

// note remembers the changes of the level.
func (r *linked) note(e event) bool {
	if e.Type == "layers" {
		r.steps = append(r.steps, e)
	}
	return e.Type == "done"
}

// shares returns which share of the time after the first so many seconds each
// level was received, from none, and how often that changed.
func (r *linked) shares(after float64) (of [1 + layers]float64, changes int) {
	received, since := 1, 0.0
	for _, e := range append(r.steps, event{Seconds: r.end.Seconds}) {
		of[received] += max(0, e.Seconds-max(after, since))
		if e.Type == "layers" && e.Seconds >= after {
			changes++
		}
		received, since = e.Layers, e.Seconds
	}
	for i := range of {
		of[i] /= max(1e-9, r.end.Seconds-after)
	}
	return of, changes
}

// report logs where a receiver was from a time on.
func (r *linked) report(after float64) {
	of, changes := r.shares(after)
	var text strings.Builder
	for received, share := range of {
		if share > 0 {
			fmt.Fprintf(&text, "  %d layers %.1f %%", received, 100*share)
		}
	}
	r.t.Logf("%-16s should have %d layers; from second %.0f to %.0f: %s  %d changes", r.what, r.level+1, after, r.end.Seconds, text.String(), changes)
}

// "Layers are for receivers with links of different speed." spec.md 10: all have
// the file in the end, whatever their links carry. Which layers they have at
// which time depends on the loss in each second, and is not asserted: packages
// receiver and bench test that in virtual time.
func TestLayersThatALinkCarriesAreReceived(t *testing.T) {
	t.Parallel()
	size := int64(3 * mib / 2)
	if full {
		size = 64 * mib
	}
	source, all := links(t, size)
	for _, r := range all {
		r.finish(source)
		best := float64(8*size) / float64(r.rate)
		t.Logf("%-16s done in %.1f s, %.2f times size / %v", r.what, r.end.Seconds, r.end.Seconds/best, quantity.Rate(r.rate))
		r.report(0)
	}
}

// In the long run everybody is where he belongs, and stays there.
func TestLayersAreKept(t *testing.T) {
	t.Parallel()
	needsFull(t)
	source, all := links(t, 600*mib, "--parity", "25%")
	fastest := all[layers-1]
	fastest.finish(source)
	for _, r := range all {
		if r != fastest {
			r.giveUp()
		}
		r.report(0)
		r.report(climbing)
	}
}

// joined returns of which layers of a channel a host is a member, by what its
// kernel says.
func (h *host) joined(base netip.Addr) (joined []int) {
	h.t.Helper()
	members := strings.Fields(h.sh("ip maddress show dev eth0"))
	for l := range proto.MaxLayers {
		if slices.Contains(members, proto.LayerAddress(base, l).String()) {
			joined = append(joined, l)
		}
	}
	return joined
}

// "Layer l is sent to base address + l, and a receiver joins layers 0 to l."
// spec.md 10; with sources, too.
func TestLayersOfANamedSource(t *testing.T) {
	t.Parallel()
	groups := proto.ChannelAddresses("iotupd")
	tests := []struct {
		family string
		source func(*host) string
		base   netip.Addr
	}{
		{"-6", (*host).ipv6, groups.IPv6Source},
		{"-4", (*host).ipv4, groups.IPv4Source},
	}
	for _, test := range tests {
		t.Run(test.family, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
			source, target := newFile(t, 16*mib), newTarget(t)
			r := receiver.recv(target, "--source", test.source(sender))
			sender.send(source, test.family, "--source-specific", "--rate", "1M", "--layers", "3")
			n := r.wait("layers").Layers
			eventually(t, "the receiver is a member of the layers that it names", func() bool {
				if e := r.latest("layers"); e.Type != "" {
					n = e.Layers
				}
				return len(receiver.joined(test.base)) == n
			})
			sender.send(source, test.family, "--source-specific", "--rate", "50M") // or it would take long
			t.Logf("%d layers, done in %.2f s", n, r.done().Seconds)
			wantSame(t, target, source)
		})
	}
}

// A link that comes back finds the receiver in the groups of its layers, whatever
// their number is then.
func TestALostLinkKeepsTheLayers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	base := proto.ChannelAddresses("iotupd").IPv6
	r := receiver.recv(newTarget(t), "-6")
	sender.send(newFile(t, 16*mib), "--rate", "1M", "--layers", "2", "-6")
	level := r.wait("layers").Layers
	isMember := func() bool {
		if e := r.latest("layers"); e.Type != "" {
			level = e.Layers
		}
		return len(receiver.joined(base)) == level
	}
	receiver.sh("ip link set eth0 down")
	eventually(t, "the receiver gives its groups up", func() bool { return len(receiver.joined(base)) == 0 })
	receiver.sh("ip link set eth0 up")
	back := time.Now()
	eventually(t, "the receiver is a member of what it says", isMember)
	t.Logf("%d layers %.1f s after the link was back", level, time.Since(back).Seconds())
	eventually(t, "it has both layers again", func() bool { return isMember() && level == 2 })
}
