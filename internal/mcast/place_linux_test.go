// SPDX-License-Identifier: GPL-2.0-or-later

package mcast_test

import (
	"fmt"
	"net/netip"
	"testing"

	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
)

// A lan is a cable from the namespace of the test, where its end is rx0, to a
// peer, where it is tx0.
type lan struct {
	t *testing.T
	*mcasttest.Peer
	port uint16
}

func newLAN(t *testing.T) lan {
	t.Helper()
	return lan{t, mcasttest.NewPeer(t, "rx0", "tx0"), 18868}
}

func (l lan) withIPv4() lan {
	mcasttest.Command(l.t, "ip addr add 10.77.0.1/24 dev rx0")
	l.Command("ip addr add 10.77.0.2/24 dev tx0")
	return l
}

func (l lan) sendInterface() mcast.Interface {
	l.t.Helper()
	var i mcast.Interface
	var err error
	l.Do(func() { i, err = mcast.InterfaceByName("tx0") })
	if err != nil {
		l.t.Fatal(err)
	}
	return i
}

// A peerSender is a sender whose every step is taken in the namespace of the peer.
type peerSender struct {
	lan
	mcasttest.Sender
}

func (s peerSender) WriteSegments(b []byte, segment int) (err error) {
	s.Do(func() { err = s.Sender.WriteSegments(b, segment) })
	return err
}

func (l lan) dial(cfg mcast.SendConfig) (c mcasttest.Sender, err error) {
	l.Do(func() { c, err = dial(cfg) })
	return peerSender{l, c}, err
}

// place is the lan as the conformance suite sees it.
func (l lan) place(group string, offload mcast.Offload) mcasttest.Place {
	g := netip.MustParseAddr(group)
	source := netip.MustParseAddr("fe80::2")
	if g.Is4() {
		source = netip.MustParseAddr("10.77.0.2")
	}
	return mcasttest.Place{
		Listen:   listen,
		Dial:     l.dial,
		SendOn:   l.sendInterface(),
		ListenOn: "rx0",
		Group:    g,
		Source:   source,
		Port:     l.port,
		Offload:  offload,
	}
}

func TestACableIsAPlace(t *testing.T) {
	for _, test := range []struct {
		group, mtu string
		offload    mcast.Offload
	}{
		{"ff15::8:0", "1500", mcast.OffloadAuto},
		{"ff15::8:0", "1500", mcast.OffloadNever},
		{"ff15::8:0", "16000", mcast.OffloadAuto},
		{"ff3e::8:0", "1280", mcast.OffloadAuto},
		{"239.255.8.0", "1500", mcast.OffloadAuto},
		{"239.255.8.0", "1500", mcast.OffloadNever},
		{"239.255.8.0", "16000", mcast.OffloadNever},
		{"232.1.8.0", "1280", mcast.OffloadAuto},
	} {
		t.Run(fmt.Sprintf("%s mtu=%s offload=%v", test.group, test.mtu, test.offload == mcast.OffloadAuto), func(t *testing.T) {
			l := newLAN(t).withIPv4()
			mcasttest.Command(t, "ip link set rx0 mtu "+test.mtu)
			l.Command("ip link set tx0 mtu " + test.mtu)
			mcasttest.TestPlace(t, l.place(test.group, test.offload))
		})
	}
}
