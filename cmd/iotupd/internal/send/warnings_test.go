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
