// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

func TestTheManifestTravelsOnSchedule(t *testing.T) {
	// "It is the first packet of a sender. From then on it is the next packet as
	// soon as, since the last manifest, 256 other packets were sent, or 1 s has
	// passed and 32 other packets were sent, or 10 s have passed." spec.md 5.4
	tests := []struct {
		name      string
		rate      int64
		shardSize int
		others    int // packets between two manifests
	}{
		{"unpaced", -1, 256, 256},
		{"many packets a second", 10_000_000, 256, 256},
		{"some 120 a second", 120 * 8 * (64 + 256 + 48), 256, 120},
		{"some 20 a second", 20 * 8 * (64 + 512 + 48), 512, 32},
		{"less than one a second", 64_000, 8896, 9},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := smallest(proto.CodeLeopard8, 10, 5)
			p.ShardSize = test.shardSize
			c := start(t, 30*p.ShardSize, p, sender.Config{Rate: test.rate})
			if c.next().Type != proto.TypeManifest {
				t.Fatal("the first packet is not a manifest")
			}
			others := 0
			for range 5000 {
				if c.next().Type != proto.TypeManifest {
					others++
					continue
				}
				// Its own packet counts to the rate as well.
				if others < test.others-1 || others > test.others {
					t.Fatalf("manifest after %d packets, want %d", others, test.others)
				}
				others = 0
			}
		})
	}
}

func TestAnEmptyFileIsItsManifest(t *testing.T) {
	// "The sender of an empty file sends its manifest every 200 ms, and nothing
	// else." spec.md 5.4
	c := start(t, 0, smallest(proto.CodeNone, 1, 0), sender.Config{})
	for i := range 20 {
		p := c.next()
		if p.Type != proto.TypeManifest {
			t.Fatalf("packet %d is %s, want a manifest", i, p.id())
		}
		if got, want := p.at.Sub(epoch), time.Duration(i)*200*time.Millisecond; got != want {
			t.Errorf("manifest %d after %v, want %v", i, got, want)
		}
		if b, _ := c.s.AppendDatagrams(nil, c.now, 64); len(b) > 0 {
			t.Fatal("more than one manifest at a time")
		}
	}
}

func TestLoopsEndTheCarousel(t *testing.T) {
	// "Loops ends the carousel after so many loops", and four manifests say so.
	for _, size := range []int{0, 1, 5000} {
		p := smallest(proto.CodeNone, 1, 0)
		c := start(t, size, p, sender.Config{Rate: -1, Loops: 2})
		var all []packet
		for ; !c.s.Done(); all = append(all, c.next()) {
			if len(all) > 100 {
				t.Fatalf("size %d: the carousel does not end", size)
			}
		}
		wantBye(t, all)
		if got, want := len(shards(all)), 2*((size+255)/256); got != want {
			t.Errorf("size %d: %d shards in two loops, want %d", size, got, want)
		}
	}
}

func TestStopSaysGoodbye(t *testing.T) {
	// "A sender that stops in an orderly way SHOULD send four more manifests,
	// with the flag BYE and at its usual rate." spec.md 5.4
	for _, size := range []int{0, 5000} {
		c := start(t, size, smallest(proto.CodeNone, 1, 0), sender.Config{})
		before := []packet{c.next(), c.next(), c.next()}
		for _, p := range before {
			if p.Path.Flags&proto.PathBye != 0 {
				t.Errorf("size %d: BYE before the end", size)
			}
		}
		c.s.Stop()
		c.s.Stop() // twice is once
		bye := c.rest()
		wantBye(t, bye)
		if got, want := bye[3].at.Sub(bye[0].at), 3*before[2].at.Sub(before[1].at); size > 0 && got != want {
			t.Errorf("said goodbye within %v, want %v, the usual rate", got, want)
		}
		if got, err := c.s.AppendDatagrams(nil, c.now.Add(time.Hour), 10); len(got) > 0 || err != nil {
			t.Errorf("size %d: %d bytes, %v after the end", size, len(got), err)
		}
		if at := c.s.Wake(); !at.IsZero() {
			t.Errorf("size %d: wakes at %v after the end", size, at)
		}
	}
}

// wantBye fails unless the last four packets, and no other, are manifests that
// say BYE.
func wantBye(t *testing.T, all []packet) {
	t.Helper()
	if len(all) < 4 {
		t.Fatalf("%d packets, want at least the 4 that say BYE", len(all))
	}
	for i, p := range all {
		bye := p.Path.Flags&proto.PathBye != 0
		if last := i >= len(all)-4; bye != last || last && p.Type != proto.TypeManifest {
			t.Errorf("packet %d of %d is %s, BYE %v", i+1, len(all), p.id(), bye)
		}
	}
}

func TestPacketsOfAllTypesCountToTheRate(t *testing.T) {
	// "The rate is in bits per second of whole IP packets of all types: a
	// datagram and its 48 bytes of UDP and IPv6, or 28 with IPv4." spec.md 6.3
	for _, overhead := range []int{proto.IPv4Overhead, proto.IPv6Overhead} {
		const rate = 2_000_000
		c := start(t, 30_000, smallest(proto.CodeLeopard8, 10, 5), sender.Config{Rate: rate, Overhead: overhead})
		bits := 0
		for c.now.Sub(epoch) < 10*time.Second {
			bits += 8 * (len(c.next().raw) + overhead)
		}
		got := float64(bits) / c.now.Sub(epoch).Seconds()
		if got < 0.999*rate || got > 1.001*rate {
			t.Errorf("overhead %d: %.0f bit/s, want %d", overhead, got, rate)
		}
		if code := c.next().Path.Rate; code != proto.RateCodeOf(rate) {
			t.Errorf("the packets state the rate %d bit/s, want about %d", code.BitsPerSecond(), rate)
		}
	}
}

func TestABatchIsWhatIsDueAndNoMoreThanAsked(t *testing.T) {
	// "AppendDatagrams appends at most max datagrams that are due now to dst,
	// end to end, each DatagramLen bytes long."
	c := start(t, 300_000, smallest(proto.CodeLeopard8, 10, 5), sender.Config{Rate: 1_000_000_000})
	prefix := []byte("before")
	b, err := c.s.AppendDatagrams(prefix, epoch, 64)
	if err != nil || len(b) != len(prefix)+c.s.DatagramLen() || string(b[:len(prefix)]) != "before" {
		t.Fatalf("first call: %d bytes (%v), want one datagram after the prefix", len(b), err)
	}
	c.parse(b[len(prefix):])

	now := epoch.Add(300 * time.Microsecond)
	for _, max := range []int{0, 3, 64, 64} {
		b, err = c.s.AppendDatagrams(nil, now, max)
		if got := len(b) / c.s.DatagramLen(); err != nil || len(b)%c.s.DatagramLen() != 0 || got > max || max == 3 && got != 3 {
			t.Errorf("%d bytes (%v), want at most %d datagrams", len(b), err, max)
		}
		for ; len(b) > 0; b = b[c.s.DatagramLen():] {
			c.parse(b[:c.s.DatagramLen()])
		}
	}
	if len(b) != 0 {
		t.Error("the third batch at one moment is not empty")
	}
}

func TestAnEarlyCallHasNoEffect(t *testing.T) {
	// "An earlier call has no effect."
	c := start(t, 30_000, smallest(proto.CodeLeopard8, 10, 5), sender.Config{Rate: 1_000_000})
	for range 100 {
		p := c.next()
		if b, err := c.s.AppendDatagrams(nil, c.now.Add(time.Microsecond), 64); len(b) > 0 || err != nil {
			t.Fatalf("%d bytes (%v) right after %s", len(b), err, p.id())
		}
	}
}
