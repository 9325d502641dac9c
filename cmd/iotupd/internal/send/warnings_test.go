// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/fec"
	"iotupd/internal/discover"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/multicast"
)

// newView returns a view of a sender of a small file with shards of so many bytes, and
// what it prints.
func newView(t *testing.T, shard int) (*sendView, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	if err := os.WriteFile(path, []byte("firmware"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Config{File: path, Encoding: fec.Policy{ShardSize: shard}, Network: multicast.Config{Channel: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	stderr := &bytes.Buffer{}
	v := &sendView{agent: a, out: cli.NewOutput(t.Context(), cli.OutputOptions{Progress: "none"}, cli.Stdio{Out: &bytes.Buffer{}, Err: stderr}, stderr)}
	v.routes = []multicast.Route{{Interface: "eth0", Group: netip.MustParseAddr("ff15::1"), MTU: 9000}}
	return v, stderr
}

func TestPacketsThatMostNetworksDoNotTakeAreWarnedOf(t *testing.T) {
	for shard, want := range map[int]string{1152: "", 1344: "", 8896: "[jumbo]"} {
		v, stderr := newView(t, shard)
		v.warnJumbo()
		v.out.Close(nil)
		if got := stderr.String(); (got != "") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("shards of %d bytes: got %q, want %q", shard, got, want)
		}
	}
}

func TestARateThatIsNotReachedIsWarnedOfOnce(t *testing.T) {
	v, stderr := newView(t, 1152)
	at := time.Unix(1e9, 0)
	v.opts.cfg.Carousel.Rate, v.opts.cfg.Carousel.Layers = 50_000_000, 1
	for i := range 10 {
		v.on("eth0").warnSlow(v, at.Add(time.Duration(i)*time.Second), "", sender.Progress{Bound: sender.ByLink})
	}
	v.out.Close(nil)
	if got := stderr.String(); strings.Count(got, "[rate-not-reached]") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestListenersBeyondARouterAreWarnedOf(t *testing.T) {
	v, stderr := newView(t, 1152)
	v.warnBeyondRouter()
	v.opts.cfg.Network.HopLimit = 2
	v.warnBeyondRouter()
	v.out.Close(nil)
	if got := stderr.String(); strings.Count(got, "[listeners-beyond-router]") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestPacketsThatTheOwnQueueDropsAreNotSent(t *testing.T) {
	v, stderr := newView(t, 1152)
	on := v.on("eth0")
	at := time.Unix(1e9, 0)
	on.queue.drops.Store(1000) // of before
	for i := range 10 {
		on.speed.Add(at.Add(time.Duration(i)*time.Second), uint64(1000*i))
		on.checkQueue(v, at.Add(time.Duration(i)*time.Second), sender.Progress{Packets: uint64(1000 * i)})
		on.queue.drops.Add(800)
	}
	v.out.Close(nil)
	if got := stderr.String(); strings.Count(got, "[sender-drops]") != 1 || !strings.Contains(got, "80% of the packets are dropped on this host, in the queue of eth0: about ") {
		t.Errorf("got %q", got)
	}
	if on.share.left < 0.19 || on.share.left > 0.21 {
		t.Errorf("got a share of %v that leaves, want 0.2", on.share.left)
	}
}

func TestTheQueueIsLookedAtUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counts := []uint32{1<<32 - 5, 10, 20}
		var q queueWatch
		q.start(3, func(int) (uint32, error) {
			n := counts[0]
			counts = counts[min(1, len(counts)-1):]
			return n, nil
		})
		time.Sleep(5 * time.Second)
		q.stop()
		q.stop()
		if got := q.drops.Load(); got != 25 {
			t.Errorf("got %d drops, want 25", got)
		}
	})
	var q queueWatch
	q.start(3, func(int) (uint32, error) { return 0, errors.ErrUnsupported })
	q.stop()
}

// The lowest layer brings its receivers everything in a loop; all layers together are
// faster by as much as their rates are higher. Both are announced, and named.
func TestLoopsOfLayersAreCountedAsTheyAreAnnounced(t *testing.T) {
	v, stderr := newView(t, 1152)
	v.opts.cfg.Carousel.Rate, v.opts.cfg.Carousel.Layers = 2_000_000, 4
	s := v.schedules()[0]
	if got, want := s.Lowest, 8*s.LoopTime; got < 0.99*want || got > 1.01*want {
		t.Errorf("a loop of the lowest layer takes %v s, want %v", got, want)
	}
	v.showRoute([]schedule{s})
	v.stopped(agent.Stopped{Progress: sender.Progress{Loop: 1, Fraction: 0.5}})
	v.out.Close(nil)
	if got := stderr.String(); !strings.Contains(got, ", on the lowest layer alone ") || !strings.Contains(got, "stopped after 0.50 loops of the lowest layer: ") {
		t.Errorf("got %q", got)
	}
	one, stderr := newView(t, 1152)
	one.opts.cfg.Carousel.Rate, one.opts.cfg.Carousel.Layers = 2_000_000, 1
	one.showRoute(one.schedules())
	one.out.Close(nil)
	if got := stderr.String(); strings.Contains(got, "lowest") {
		t.Errorf("of one layer: %q", got)
	}
}

// A host with a link-local IPv6 address sends over IPv6, which no other network can use:
// what can be published is named.
func TestPrintDNSSaysWhatToPublishInstead(t *testing.T) {
	local, global := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("192.0.2.1")
	for _, test := range []struct {
		group string
		addrs []netip.Addr
		want  string
	}{
		{"ff15::1", []netip.Addr{local, global}, "with -4"},
		{"ff15::1", []netip.Addr{local}, "give the interface such an address"},
		{"239.1.2.3", []netip.Addr{local}, "give the interface such an address"},
	} {
		if got := publishInstead(discover.Sender{Group: netip.MustParseAddr(test.group), Addrs: test.addrs}); !strings.Contains(got, test.want) {
			t.Errorf("%v: got %q, want %q", test, got, test.want)
		}
	}
}
