// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"testing"
	"time"
)

// snoop makes the switch watch who listens where, and ask them all for it every
// two minutes. At first it floods, until it must have heard who is there: here
// for 0.1 s. The options are bridge options of ip link.
func (l *lab) snoop(options string) {
	l.t.Helper()
	set := "ip link set br0 type bridge "
	sh(l.t, l.net, set+"mcast_query_response_interval 10 "+options+"\n"+set+"mcast_snooping 1 mcast_querier 1")
}

// ofSources are the versions of IGMP and MLD that know sources. The switch
// otherwise asks by the versions before.
const ofSources = "mcast_igmp_version 3 mcast_mld_version 2"

// A switch that snoops sends packets to the ports where somebody joined, and to
// no others: without listeners no packet leaves it.
func TestASnoopingSwitchDeliversToMembersOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, options  string
		family         string
		sourceSpecific bool
	}{
		{"MLDv1", "", "-6", false},
		{"IGMPv2", "", "-4", false},
		{"MLDv2", ofSources, "-6", true},
		{"IGMPv3", ofSources, "-4", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.snoop(test.options)
			sender, receiver, other := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
			sending, receiving := []string{test.family, "--rate", "20M"}, []string{test.family}
			if test.sourceSpecific {
				source := sender.ipv6()
				if test.family == "-4" {
					source = sender.ipv4()
				}
				sending, receiving = append(sending, "--source-specific"), append(receiving, "--source", source)
			}
			file, target := newFile(t, 4*mib), newTarget(t)
			s := sender.send(file, sending...)

			for _, h := range []*host{receiver, other} {
				eventually(t, "no packet leaves a port", func() bool { return h.arrivalsFrom(s) == 0 })
			}
			before, first := receiver.count(), other.count()
			s.sendsMore(1000)
			if got := receiver.count().seen.Packets - before.seen.Packets; got != 0 {
				t.Errorf("%d packets left the port without a member, want none", got)
			}

			began := time.Now()
			r := receiver.recv(target, receiving...)
			r.wait("found")
			t.Logf("the first packet was seen %v after the start of the receiver", time.Since(began).Round(time.Millisecond))
			e := r.done()
			left := time.Now()
			t.Logf("%d bytes through the port with a member in %.2f s", e.Bytes, e.Seconds)
			wantSame(t, target, file)
			eventually(t, "no packet leaves a port", func() bool { return receiver.arrivalsFrom(s) == 0 })
			t.Logf("packets ended at most %.1f s after the receiver left", time.Since(left).Seconds())
			if got := other.count().seen.Packets - first.seen.Packets; got != 0 {
				t.Errorf("%d packets left a port where nobody ever joined, want none", got)
			}
		})
	}
}

// Where nobody asks who listens, a switch forgets its members and has to flood.
// A transfer does not depend on a querier there.
func TestASnoopingSwitchWithoutQuerierDelivers(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"-6", "-4"} {
		t.Run(family, func(t *testing.T) {
			l := newLab(t)
			sh(t, l.net, "ip link set br0 type bridge mcast_snooping 1")
			transfer(t, l.host(bothFamilies), l.host(bothFamilies), family)
		})
	}
}
