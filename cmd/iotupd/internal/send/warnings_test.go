// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	v.route.Group, v.route.MTU = netip.MustParseAddr("ff15::1"), 9000
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
		v.warnSlow(at.Add(time.Duration(i)*time.Second), sender.Progress{Bound: sender.ByLink})
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
