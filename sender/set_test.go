// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

// setOf are objects of so many data shards, by headers only.
func setOf(shards ...int) (all []sender.Member) {
	for i, n := range shards {
		o := headersOnly(n, n, n)
		o.Manifest.Name = fmt.Sprintf("file %d", i)
		o.Manifest.Descriptor.SHA256[0] = byte(i)
		all = append(all, sender.Member{Object: o})
	}
	return all
}

func startSet(t testing.TB, cfg sender.Config, share sender.Share, members ...sender.Member) *carousel {
	t.Helper()
	s, err := sender.NewSet(cfg, share, members...)
	if err != nil {
		t.Fatal(err)
	}
	return &carousel{t: t, s: s, now: epoch}
}

// numberOf returns a function that says which member a packet is of.
func numberOf(members []sender.Member) func(h proto.Header) int {
	numbers := make(map[proto.ObjectID]int)
	for i, m := range members {
		numbers[m.Manifest.Descriptor.Object()] = i
	}
	return func(h proto.Header) int { return numbers[h.Object] }
}

// shardsOf returns the members of the next n packets with a shard.
func (c *carousel) shardsOf(members []sender.Member, n int) (order []int) {
	c.t.Helper()
	number := numberOf(members)
	for len(order) < n {
		if h := c.nextHeader(); h.Type == proto.TypeData || h.Type == proto.TypeParity {
			order = append(order, number(h))
		}
	}
	return order
}

func TestObjectsShareTheRate(t *testing.T) {
	members := setOf(100, 400, 1600)
	members[1].Weight = 4
	for share, want := range map[sender.Share][]float64{
		sender.ShareSqrt: {10, 40, 40}, // the square roots of 100, 400*4 and 1600
		sender.ShareSize: {1, 4, 16},
	} {
		c := startSet(t, sender.Config{Rate: -1}, share, members...)
		const n = 100_000
		got, sum := make([]float64, len(want)), 0.0
		for _, i := range c.shardsOf(members, n) {
			got[i]++
		}
		for _, w := range want {
			sum += w
		}
		for i := range want {
			if want := n * want[i] / sum; math.Abs(got[i]-want) > want/100+1 {
				t.Errorf("share %d: %v packets of object %d, want %.0f", share, got[i], i, want)
			}
		}
	}
}

func TestTheSmallestObjectIsFirst(t *testing.T) {
	// "The objects take turns, the smallest first": spec.md 6.5.
	members := setOf(1600, 100, 400)
	c := startSet(t, sender.Config{Rate: -1}, sender.ShareShortest, members...)
	order := slices.Compact(c.shardsOf(members, 3000))
	if want := []int{1, 2, 0, 1}; !slices.Equal(order[:4], want) {
		t.Errorf("the order of visits is %v, want %v", order, want)
	}
}

func TestAVisitHasItsManifestTwice(t *testing.T) {
	// "An object that has the whole rate for a turn, in a set of up to 16, has its manifest
	// at the start of the turn and in its middle": spec.md 6.5.
	members := setOf(100, 8, 1)
	c, number := startSet(t, sender.Config{Rate: -1}, sender.ShareShortest, members...), numberOf(members)
	c.shardsOf(members, 50) // in the first visit of the large one
	type visit struct{ object, first, second, packets int }
	var visits []visit
	for len(visits) < 8 {
		h := c.nextHeader()
		if h.Type == proto.TypeOutline {
			continue
		}
		if n := len(visits); n == 0 || visits[n-1].object != number(h) {
			visits = append(visits, visit{number(h), -1, -1, 0})
		}
		v := &visits[len(visits)-1]
		switch {
		case h.Type != proto.TypeManifest:
		case v.first < 0:
			v.first = v.packets
		default:
			v.second = v.packets
		}
		v.packets++
	}
	of := []visit{{2, 0, 2, 4}, {1, 0, 6, 12}, {0, 0, 58, 115}}
	if want := append(of, of...); !slices.Equal(visits[1:7], want) {
		t.Errorf("the visits are %+v, want %+v", visits[1:7], want)
	}
}

func TestManifestsTakeTwoPercentOfLongVisits(t *testing.T) {
	members := setOf(1000, 3000)
	c, manifests := startSet(t, sender.Config{Rate: -1}, sender.ShareShortest, members...), 0
	const packets = 20_000
	for range packets {
		if c.nextHeader().Type == proto.TypeManifest {
			manifests++
		}
	}
	if manifests > packets/50 {
		t.Errorf("%d manifests of %d packets", manifests, packets)
	}
}

// waits returns the mean number of packets of a set until a receiver without loss has its
// object, over all objects and over joins at so many places.
func waits(order []int, sizes []int, joins []int) (mean, all float64) {
	for _, join := range joins {
		got, last := make([]int, len(sizes)), 0
		for done, n := 0, 0; done < len(sizes); n++ {
			i := order[join+n]
			if got[i]++; got[i] == sizes[i] {
				mean += float64(n + 1)
				last = n + 1
				done++
			}
		}
		all += float64(last)
	}
	return mean / float64(len(joins)*len(sizes)), all / float64(len(joins))
}

func TestEachShareIsBestForItsReceivers(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine, and 1,200,000 packets: nothing for the race detector")
	}
	sizes := []int{20, 60, 200, 600, 2000}
	total, roots := 0, 0.0
	for _, n := range sizes {
		total += n
		roots += math.Sqrt(float64(n))
	}
	var joins []int
	for i := range 50 {
		joins = append(joins, i*977)
	}
	mean, all, start := make([]float64, 3), make([]float64, 3), make([]float64, 3)
	for share := range sender.ShareShortest + 1 {
		members := setOf(sizes...)
		order := startSet(t, sender.Config{Rate: -1}, share, members...).shardsOf(members, 400_000)
		mean[share], all[share] = waits(order, sizes, joins)
		start[share], _ = waits(order, sizes, joins[:1])
		t.Logf("share %d: mean of random joins %.0f, of joins at the start %.0f, all objects %.0f", share, mean[share], start[share], all[share])
	}
	shortest, done := 0.0, 0.0
	for _, n := range sizes {
		done += float64(n)
		shortest += done / float64(len(sizes))
	}
	for _, c := range []struct {
		name      string
		got, best float64
		slack     float64
	}{
		{"sqrt, random joins", mean[sender.ShareSqrt], roots * roots / float64(len(sizes)), 1.02},
		{"size, all objects", all[sender.ShareSize], float64(total), 1.02},
		// An eighth more is sent, for receivers that lose packets.
		{"shortest, at the start", start[sender.ShareShortest], shortest, 1 + 1.0/8},
	} {
		if c.got > c.best*c.slack || c.got < c.best*0.99 {
			t.Errorf("%s: %.0f packets, the least is %.0f", c.name, c.got, c.best)
		}
	}
	for _, others := range [][3]float64{{mean[0], mean[1], mean[2]}, {all[1], all[0], all[2]}, {start[2], start[0], start[1]}} {
		if others[0] > min(others[1], others[2]) {
			t.Errorf("another share is better: %v", others)
		}
	}
}

func TestManifestsOfASetComeFirstAndOften(t *testing.T) {
	// "A sender of a set starts with the manifests of all objects ... at most 2 % of the
	// packets": spec.md 6.5.
	members := setOf(slices.Repeat([]int{50, 5000}, sender.MaxUnlisted/2)...)
	members = append(members[:sender.MaxUnlisted-1], sender.Member{Object: headersOnly(1, 0, 0)})
	members[sender.MaxUnlisted-1].Manifest.Descriptor.Code = proto.CodeNone
	number := numberOf(members)
	c := startSet(t, sender.Config{Rate: 10_000_000}, sender.ShareSqrt, members...)
	last := make([]time.Time, len(members))
	manifests, packets := 0, 0
	for c.now.Sub(epoch) < time.Minute {
		h := c.nextHeader()
		packets++
		if h.Path.Flags&proto.PathSet == 0 {
			t.Fatalf("packet %d does not say that it is of a set", packets)
		}
		if h.Type == proto.TypeManifest {
			manifests++
			if i := number(h); !last[i].IsZero() && c.now.Sub(last[i]) > 10*time.Second+time.Millisecond*100 {
				t.Errorf("the manifest of object %d was not sent for %v", i, c.now.Sub(last[i]))
			}
			last[number(h)] = c.now
		} else if packets <= len(members) {
			t.Fatalf("packet %d is not a manifest", packets)
		}
	}
	if 100*manifests > 2*packets {
		t.Errorf("%d of %d packets are manifests", manifests, packets)
	}
	for i, at := range last {
		if c.now.Sub(at) > 10*time.Second+100*time.Millisecond {
			t.Errorf("the manifest of object %d was last sent %v ago", i, c.now.Sub(at))
		}
	}
}

func TestPacketsOfASetAreNumberedTogether(t *testing.T) {
	// "One sequence per sender and layer": spec.md 6.4. "One object fills a whole round":
	// 10.2.
	const layers, round = 3, 4
	members := setOf(10, 100)
	number := numberOf(members)
	c := startSet(t, sender.Config{Rate: 1_000_000, Layers: layers}, sender.ShareSqrt, members...)
	var seq [layers]uint32
	var seen [layers]bool
	slots, of := 0, -1
	rounds := make([]int, len(members))
	for range 20_000 {
		h := c.nextHeader()
		if l := h.Path.Layer; seen[l] && h.Path.Seq != seq[l]+1 {
			t.Fatalf("layer %d: number %d after %d", l, h.Path.Seq, seq[l])
		}
		seq[h.Path.Layer], seen[h.Path.Layer] = h.Path.Seq, true
		if !inLoop(h) {
			continue
		}
		if slots%round == 0 {
			of = number(h)
			rounds[of]++
		} else if number(h) != of {
			t.Fatalf("slot %d is of object %d, its round of %d", slots, number(h), of)
		}
		slots++
	}
	if got, want := float64(rounds[1])/float64(rounds[0]), math.Sqrt(10); math.Abs(got-want) > 0.1 {
		t.Errorf("rounds of the objects: %v, want a ratio of %.2f", rounds, want)
	}
}

func TestEveryObjectOfASetSaysGoodbye(t *testing.T) {
	members := setOf(slices.Repeat([]int{30}, 7)...)
	number := numberOf(members)
	c := startSet(t, sender.Config{Rate: 1_000_000}, sender.ShareSqrt, members...)
	for range 100 {
		c.nextHeader()
	}
	c.s.Stop()
	gone := make(map[int]int)
	for !c.s.Done() {
		if h := c.nextHeader(); h.Type != proto.TypeManifest || h.Path.Flags&proto.PathBye == 0 {
			t.Fatalf("%+v after the end", h)
		} else {
			gone[number(h)]++
		}
	}
	if len(gone) != len(members) {
		t.Errorf("goodbyes by object: %v", gone)
	}
}

func TestASetEndsWhenAllObjectsWereSent(t *testing.T) {
	const loops = 2
	members := setOf(10, 300)
	c := startSet(t, sender.Config{Rate: -1, Loops: loops}, sender.ShareSqrt, members...)
	sent := make([]int, len(members))
	for number := numberOf(members); !c.s.Done(); {
		if h := c.nextHeader(); h.Type == proto.TypeData || h.Type == proto.TypeParity {
			sent[number(h)]++
		}
	}
	for i, p := range c.s.Progress().Objects {
		if p.Loop <= loops || sent[i] < 2*loops*[]int{10, 300}[i] {
			t.Errorf("object %d: %+v after %d shards", i, p, sent[i])
		}
	}
}

func TestADroppedObjectIsNotSentAnyMore(t *testing.T) {
	for _, share := range []sender.Share{sender.ShareSqrt, sender.ShareSize, sender.ShareShortest} {
		members := setOf(10, 300, 50)
		number := numberOf(members)
		c := startSet(t, sender.Config{Rate: 1_000_000}, share, members...)
		for range 500 {
			c.nextHeader()
		}
		for _, gone := range []int{1, 0} {
			if !c.s.Drop(gone) {
				t.Fatalf("share %d: nothing is left without object %d", share, gone)
			}
			for range 500 {
				if h := c.nextHeader(); number(h) == gone {
					t.Fatalf("share %d: object %d is sent still", share, gone)
				}
			}
		}
		if c.s.Drop(2) || !c.s.Done() {
			t.Errorf("share %d: something is left", share)
		}
		if _, ok := c.s.Next(c.now); ok {
			t.Errorf("share %d: a packet of nothing", share)
		}
	}
}

func TestWhenOnlyEmptyFilesAreLeftTheirManifestsGoOn(t *testing.T) {
	for _, share := range []sender.Share{sender.ShareSqrt, sender.ShareShortest} {
		members := append(setOf(30), sender.Member{Object: headersOnly(1, 0, 0)})
		members[1].Manifest.Descriptor.Code = proto.CodeNone
		number := numberOf(members)
		c := startSet(t, sender.Config{Rate: 1_000_000}, share, members...)
		for range 100 {
			c.nextHeader()
		}
		if !c.s.Drop(0) {
			t.Fatal("the empty file is left")
		}
		before := c.now
		for range 10 { // at the time of Wake each, so that nothing spins
			if h := c.nextHeader(); h.Type != proto.TypeManifest || number(h) != 1 {
				t.Fatalf("share %d: %+v", share, h)
			}
		}
		if took := c.now.Sub(before); took < time.Second {
			t.Errorf("share %d: ten manifests in %v", share, took)
		}
	}
}

func TestTheVisitThatIsUnderWayGoesOnWhenAnotherObjectIsDropped(t *testing.T) {
	members := setOf(10, 100, 1000)
	c := startSet(t, sender.Config{Rate: -1}, sender.ShareShortest, members...)
	c.shardsOf(members, 12+50) // in the middle of the second visit, which has 113 rounds
	c.s.Drop(0)
	order := slices.Compact(c.shardsOf(members, 200))
	if want := []int{1, 2}; !slices.Equal(order, want) {
		t.Errorf("the visits are %v, want %v", order, want)
	}
}

func TestSetsThatCannotBeSent(t *testing.T) {
	same := setOf(10)[0]
	wide := setOf(10, 11)[1]
	wide.Manifest.Descriptor.ShardSize = 1408
	many := setOf(slices.Repeat([]int{30}, sender.MaxUnlisted+1)...)
	for want, members := range map[string][]sender.Member{
		"0 objects are not from 1 to 65536": nil,
		"17 objects need a catalogue":       many,
		"are the same object":               {same, same},
		"has shards of":                     {same, wide},
	} {
		if _, err := sender.NewSet(sender.Config{}, sender.ShareSqrt, members...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestDatagramsOfASetEqualTheDatagramsOfItsObjects(t *testing.T) {
	a := prepare(t, randomFile(5000), smallest(proto.CodeLeopard8, 10, 10), sender.PrepareConfig{})
	b := prepare(t, randomFile(9000), smallest(proto.CodeLeopard8, 10, 10), sender.PrepareConfig{})
	want := make(map[string]bool)
	count := 0
	for _, o := range []*sender.Object{a, b} {
		alone := startObject(t, o, sender.Config{Rate: -1, Loops: 1})
		for _, p := range alone.rest() {
			if !want[withoutPath(p.raw)] {
				want[withoutPath(p.raw)] = true
				count++
			}
		}
	}
	s, err := sender.NewSet(sender.Config{Rate: -1, Loops: 1}, sender.ShareSize, sender.Member{Object: a}, sender.Member{Object: b})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for !s.Done() {
		out, err := s.AppendDatagrams(nil, epoch, 10)
		if err != nil {
			t.Fatal(err)
		}
		for d := range slices.Chunk(out, s.DatagramLen()) {
			if !want[withoutPath(d)] {
				t.Fatalf("a datagram that neither object sends alone: %x", d[:64])
			}
			got[withoutPath(d)] = true
		}
	}
	if len(got) != count {
		t.Errorf("%d different datagrams, want %d", len(got), count)
	}
}

// withoutPath returns a datagram without its path word.
func withoutPath(d []byte) string { return string(bytes.Join([][]byte{d[:56], d[64:]}, nil)) }
