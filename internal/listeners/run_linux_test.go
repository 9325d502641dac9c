// SPDX-License-Identifier: GPL-2.0-or-later

package listeners_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"iotupd/internal/listeners"
	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
)

func TestMain(m *testing.M) { mcasttest.Main(m) }

var groups = map[string]netip.Addr{
	"IPv4":                  netip.MustParseAddr("239.255.1.16"),
	"IPv6":                  netip.MustParseAddr("ff15::8000:10"),
	"IPv4, source-specific": netip.MustParseAddr("232.1.1.16"),
	"IPv6, source-specific": netip.MustParseAddr("ff3e::8000:10"),
}

// waitLimit bounds the waits for events that have to happen, so that a failing
// test does not hang.
const waitLimit = 2 * time.Minute

// A watch is a running watcher of rx0, where this host has the addresses fe80::1
// and 10.77.0.1; the peer has fe80::2 and 10.77.0.2.
type watch struct {
	*mcasttest.Peer
	t       *testing.T
	group   netip.Addr
	changes chan bool
}

func newWatch(t *testing.T, group netip.Addr) *watch {
	t.Helper()
	w := &watch{Peer: mcasttest.NewPeer(t, "rx0", "tx0"), t: t, group: group, changes: make(chan bool, 100)}
	mcasttest.Command(t, "ip addr add 10.77.0.1/24 dev rx0")
	w.Command("ip addr add 10.77.0.2/24 dev tx0")
	w.start()
	return w
}

// start starts the watcher.
func (w *watch) start() {
	w.t.Helper()
	l, err := listeners.Open(listeners.Config{Interface: "rx0", Group: w.group})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx, func(listened bool) { w.changes <- listened }) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

// want waits for the next change, which has to be that one.
func (w *watch) want(why string, listened bool) {
	w.t.Helper()
	select {
	case got := <-w.changes:
		if got != listened {
			w.t.Fatalf("%s: got %v, want %v", why, got, listened)
		}
	case <-time.After(waitLimit):
		w.t.Fatalf("%s: no change, want %v", why, listened)
	}
}

// listen joins the multicast group where it is called, on an interface.
func (w *watch) listen(name string, sources ...netip.Addr) *mcast.Listener {
	w.t.Helper()
	l, err := mcast.Listen(mcast.ListenConfig{
		Groups: []netip.Addr{w.group}, Port: 18868, Interfaces: []string{name}, Sources: sources, ReceiveBuffer: 1 << 16,
	})
	if err != nil {
		w.t.Error(err)
		return nil
	}
	w.t.Cleanup(func() { l.Close() })
	return l
}

// join makes the peer join the multicast group.
func (w *watch) join(sources ...netip.Addr) (l *mcast.Listener) {
	w.t.Helper()
	w.Do(func() { l = w.listen("tx0", sources...) })
	if l == nil {
		w.t.FailNow()
	}
	return l
}

func TestJoinAndLeaveAreHeard(t *testing.T) {
	tests := []struct {
		name    string
		group   string
		version string // of the peer
		source  string
	}{
		{"IGMPv2", "IPv4", "net.ipv4.conf.tx0.force_igmp_version=2", ""},
		{"IGMPv3", "IPv4", "net.ipv4.conf.tx0.force_igmp_version=3", ""},
		{"IGMPv3 of a source", "IPv4, source-specific", "net.ipv4.conf.tx0.force_igmp_version=3", "10.77.0.1"},
		{"MLDv1", "IPv6", "net.ipv6.conf.tx0.force_mld_version=1", ""},
		{"MLDv2", "IPv6", "net.ipv6.conf.tx0.force_mld_version=2", ""},
		{"MLDv2 of a source", "IPv6, source-specific", "net.ipv6.conf.tx0.force_mld_version=2", "fe80::1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWatch(t, groups[test.group])
			w.Command("sysctl -qw " + test.version)
			w.want("at the start", false)
			var sources []netip.Addr
			if test.source != "" {
				sources = append(sources, netip.MustParseAddr(test.source))
			}
			before := time.Now()
			l := w.join(sources...)
			w.want("the peer joined", true)
			t.Logf("join heard after %v", time.Since(before).Round(time.Microsecond))
			before = time.Now()
			l.Close()
			w.want("the peer left", false)
			t.Logf("leave heard, and nobody spoke up, after %v", time.Since(before).Round(time.Millisecond))
		})
	}
}

func TestThisHostCounts(t *testing.T) {
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) {
			w := newWatch(t, groups[family])
			w.want("at the start", false)
			l := w.listen("rx0")
			w.want("this host joined", true)
			w.start()
			w.want("a second watcher starts", true)
			l.Close()
			w.want("this host left", false)
			w.want("this host left", false)
		})
	}
}

func TestThoseWhoNamedAnotherSourceDoNotCount(t *testing.T) {
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) {
			own, stranger := "10.77.0.1", "10.77.0.9"
			if family == "IPv6" {
				own, stranger = "fe80::1", "fe80::9"
			}
			w := newWatch(t, groups[family+", source-specific"])
			w.want("at the start", false)
			w.join(netip.MustParseAddr(stranger))
			l := w.join(netip.MustParseAddr(own))
			w.want("the peer joined with both sources", true)
			l.Close()
			w.want("the peer stays with the other source", false)
		})
	}
}

func TestAWatchOutlivesItsInterface(t *testing.T) {
	w := newWatch(t, groups["IPv6"])
	w.want("at the start", false)
	w.Unplug()
	w.Plug("rx0")
	hang := time.After(waitLimit)
	for { // until the watcher has found it
		l := w.join()
		select {
		case got := <-w.changes:
			if !got {
				t.Error("the peer joined: got false, want true")
			}
			return
		case <-time.After(200 * time.Millisecond): // and again
			l.Close()
		case <-hang:
			t.Fatal("no join was heard after the interface had come back")
		}
	}
}
