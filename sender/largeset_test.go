// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

var everyShare = []sender.Share{sender.ShareSqrt, sender.ShareSize, sender.ShareShortest}

// listed returns n objects of 1, 2, 3 ... data shards, or up to most, and their catalogue of
// so many, as the last member. All are headers only.
func listed(n, most, catalogue int) (all []sender.Member) {
	for i := range n {
		k := 1 + i%most
		o := headersOnly(k, k, k)
		o.Manifest.Name = fmt.Sprintf("file %d", i)
		binary.BigEndian.PutUint32(o.Manifest.Descriptor.SHA256[:], uint32(i))
		all = append(all, sender.Member{Object: o})
	}
	c := headersOnly(catalogue, catalogue, catalogue)
	c.Manifest.Catalogue, c.Manifest.Descriptor.SHA256[31] = uint32(n), 1
	return append(all, sender.Member{Object: c})
}

func TestACatalogueHasOneInTwentyPackets(t *testing.T) {
	// "It gets one in 20 of the packets other than manifests": spec.md 6.6, whatever the
	// share, evenly spread, and one object fills a whole round.
	const every, total = 20, 50_000
	for _, share := range everyShare {
		for _, layers := range []int{1, 3} {
			for _, n := range []int{5, 200} {
				members := listed(n, 40, 30)
				number := numberOf(members)
				c := startSet(t, sender.Config{Rate: 100_000_000, Layers: layers}, share, members...)
				round := 1 << (layers - 1)
				others, ofCatalogue, slot := 0, 0, 0
				for range total {
					h := c.nextHeader()
					if h.Type == proto.TypeManifest {
						continue
					}
					others++
					isCatalogue := number(h) == n
					if isCatalogue {
						ofCatalogue++
					}
					if h.Type == proto.TypeOutline {
						continue
					}
					if want := slot/round%every == 0; isCatalogue != want {
						t.Fatalf("share %d, %d layers, %d objects: slot %d is of object %d", share, layers, n, slot, number(h))
					}
					slot++
				}
				if got := float64(ofCatalogue) / float64(others); got < 0.0495 || got > 0.0505 {
					t.Errorf("share %d, %d layers, %d objects: the catalogue has %.4f of the packets", share, layers, n, got)
				}
			}
		}
	}
}

func TestManifestsOfALargeSetTravelWithTheirObjects(t *testing.T) {
	// "The manifests of the other objects start when each of them has its first turn, and are
	// sent again after 256 other packets of their object", and 5.4 holds for the catalogue:
	// spec.md 6.5.
	if raceDetector {
		t.Skip("one goroutine, and 600,000 packets: nothing for the race detector")
	}
	for _, layers := range []int{1, 2} {
		const n = 100
		members := listed(n, 40, 30)
		number := numberOf(members)
		c := startSet(t, sender.Config{Rate: 5_000_000, Layers: layers}, sender.ShareSqrt, members...)
		since := slices.Repeat([]int{-1}, n) // other packets on layer 0; negative: there was no manifest
		var last time.Time                   // of the catalogue
		manifests := 0
		for i := range 300_000 {
			h := c.nextHeader()
			object := number(h)
			if isManifest := h.Type == proto.TypeManifest; i == 0 && (!isManifest || object != n) {
				t.Fatalf("the first packet is %+v of object %d, want the manifest of the catalogue", h.Type, object)
			} else if object == n {
				if isManifest {
					last = c.now
				} else if c.now.Sub(last) > 10*time.Second+50*time.Millisecond {
					t.Fatalf("no manifest of the catalogue for %v", c.now.Sub(last))
				}
				continue
			}
			switch {
			case h.Path.Layer > 0:
			case h.Type == proto.TypeManifest:
				if since[object] != 256 && since[object] != -1 {
					t.Fatalf("packet %d: manifest of object %d after %d other packets", i, object, since[object])
				}
				since[object] = 0
				manifests++
			case since[object] < 0 || since[object] == 256:
				t.Fatalf("packet %d: no manifest of object %d after %d other packets", i, object, since[object])
			default:
				since[object]++
			}
		}
		if slices.Contains(since, -1) || manifests < 2*n {
			t.Errorf("%d manifests, packets since then by object: %v", manifests, since)
		}
	}
}

func TestASmallSetWithACatalogueSendsAllManifestsByTime(t *testing.T) {
	members := listed(5, 400, 30)
	number := numberOf(members)
	c := startSet(t, sender.Config{Rate: 1_000_000}, sender.ShareSqrt, members...)
	last := make([]time.Time, len(members))
	for c.now.Sub(epoch) < time.Minute {
		if h := c.nextHeader(); h.Type == proto.TypeManifest {
			last[number(h)] = c.now
		}
		for i, at := range last {
			if !at.IsZero() && c.now.Sub(at) > 10*time.Second+100*time.Millisecond {
				t.Fatalf("no manifest of object %d for %v", i, c.now.Sub(at))
			}
		}
	}
}

func TestEveryObjectOfALargeSetHasItsShareEvenlySpread(t *testing.T) {
	// "The packets of the objects SHOULD alternate evenly": spec.md 6.5. Between two packets
	// of an object there are at most twice as many as on average.
	const n = 300
	members := listed(n, 1, 1)
	large := headersOnly(30_000, 10, 90_000) // sqrt: as many packets as all others together
	members = append(members[:n], members[n], sender.Member{Object: large})
	members[n].Manifest.Catalogue++
	c := startSet(t, sender.Config{Rate: -1}, sender.ShareSqrt, members...)
	last, counts := make([]int, n+2), make([]int, n+2)
	stride := slices.Repeat([]float64{2 * n / 0.95}, n)
	stride = append(stride, 20, 2/0.95)
	number, total := numberOf(members), 60_000
	for at := 0; at < total; {
		h := c.nextHeader()
		if !inLoop(h) {
			continue
		}
		at++
		object := number(h)
		if gap := float64(at - last[object]); counts[object] > 0 && gap > 2*stride[object]+2 {
			t.Fatalf("packet %d: object %d is sent after %.0f packets, its mean is %.0f", at, object, gap, stride[object])
		}
		last[object] = at
		counts[object]++
	}
	for i, got := range counts {
		if want := float64(total) / stride[i]; float64(got) < 0.97*want-2 || float64(got) > 1.03*want+2 {
			t.Errorf("object %d has %d packets, want %.0f", i, got, want)
		}
	}
}

func TestAnObjectOfALargeSetIsDropped(t *testing.T) {
	for _, share := range everyShare {
		const n = 50
		members := listed(n, 10, 10)
		number := numberOf(members)
		c := startSet(t, sender.Config{Rate: 1_000_000}, share, members...)
		for range 500 {
			c.nextHeader()
		}
		for gone := range n - 1 {
			if !c.s.Drop(gone) || !c.s.Drop(gone) {
				t.Fatalf("share %d: nothing is left without object %d", share, gone)
			}
			for range 60 {
				if h := c.nextHeader(); number(h) <= gone {
					t.Fatalf("share %d: object %d is sent still", share, number(h))
				}
			}
		}
		if c.s.Drop(n-1) || !c.s.Done() {
			t.Errorf("share %d: something is left beside the catalogue", share)
		}
	}
	c := startSet(t, sender.Config{}, sender.ShareSqrt, listed(50, 10, 10)...)
	if c.nextHeader(); c.s.Drop(50) || !c.s.Done() {
		t.Error("a large set goes on without its catalogue")
	}
}

func TestALargeSetEndsWhenAllOfItWasSent(t *testing.T) {
	// The catalogue counts, empty files and those that were dropped do not. Its manifest says
	// goodbye for all.
	const n, loops = 40, 2
	members := listed(n, 10, 300)
	empty := headersOnly(1, 0, 0)
	empty.Manifest.Descriptor.Code = proto.CodeNone
	members = append(members, sender.Member{Object: empty})
	members[n].Manifest.Catalogue++
	number := numberOf(members)
	c := startSet(t, sender.Config{Rate: -1, Loops: loops}, sender.ShareShortest, members...)
	sent := make([]int, len(members))
	byes := 0
	for !c.s.Done() {
		h := c.nextHeader()
		if sent[number(h)]++; h.Path.Flags&proto.PathBye != 0 {
			if byes++; number(h) != n {
				t.Errorf("object %d says goodbye", number(h))
			}
		} else if sent[number(h)] == 3 && number(h) == 7 {
			c.s.Drop(7)
		}
	}
	if sent[n] < 2*loops*300 || sent[n+1] != 0 || sent[7] != 3 || byes != 4 {
		t.Errorf("packets by object: %v, %d goodbyes", sent, byes)
	}
	if p := c.s.Progress(); p.Loop <= loops || p.Objects != nil {
		t.Errorf("progress %+v", p)
	}
}

func TestCataloguesThatCannotBeSent(t *testing.T) {
	two := listed(3, 1, 1)
	two = append(two, listed(4, 1, 2)[4])
	few := listed(20, 1, 1)
	few[20].Manifest.Catalogue--
	empty := listed(2, 1, 1)
	empty[2].Manifest.Descriptor.Size, empty[2].Manifest.Descriptor.Code, empty[2].Manifest.Descriptor.M = 0, proto.CodeNone, 0
	for want, members := range map[string][]sender.Member{
		"two of the objects are catalogues": two,
		"a catalogue of 19 objects for 20":  few,
		"17 objects need a catalogue":       listed(17, 1, 1)[:17],
		"the catalogue is empty":            empty,
		"0 objects are not from 1 to 65536": listed(1, 1, 1)[1:],
		"are the same object":               append(listed(20, 1, 1)[:19], listed(21, 1, 1)[0], listed(20, 1, 1)[20]),
	} {
		if _, err := sender.NewSet(sender.Config{}, sender.ShareSqrt, members...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// sparseSet prepares small files and their catalogue.
func sparseSet(t testing.TB, n int, read func(file int) error) (members []sender.Member) {
	cfg := sender.PrepareConfig{Sparse: true}
	var manifests []*proto.Manifest
	for i := range n {
		file := randomFile(100 + 37*i)
		src := readerAt(func(b []byte, off int64) (int, error) {
			if read != nil {
				if err := read(i); err != nil {
					return 0, err
				}
			}
			return bytes.NewReader(file).ReadAt(b, off)
		})
		p := smallest(proto.CodeLeopard8, 8, 4)
		p.ShardSize, p.Size = 512, uint64(len(file))
		if i%2 == 1 { // half of them have nothing in memory
			cfg.Memory, cfg.Scratch = 1, scratchInMemory
		}
		o, err := sender.Prepare(t.Context(), src, p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, sender.Member{Object: o})
		manifests = append(manifests, &o.Manifest)
	}
	list, err := proto.AppendCatalogue(nil, manifests)
	if err != nil {
		t.Fatal(err)
	}
	p := smallest(proto.CodeLeopard8, 60, 30)
	p.ShardSize = 512
	o := prepare(t, list, p, sender.PrepareConfig{})
	o.Manifest.Catalogue = uint32(n)
	return append(members, sender.Member{Object: o})
}

func TestASparseObjectIsTheSameObject(t *testing.T) {
	file := randomFile(30_000)
	p := smallest(proto.CodeLeopard8, 10, 10)
	for _, cfg := range []sender.PrepareConfig{{}, {Memory: 1, Scratch: scratchInMemory}, {WithoutDigests: true}} {
		sparse := cfg
		sparse.Sparse = true
		send := sender.Config{Rate: -1, Loops: 2, Rand: rand.New(rand.NewPCG(1, 2))}
		want := startObject(t, prepare(t, file, p, cfg), send).rest()
		send.Rand = rand.New(rand.NewPCG(1, 2))
		got := startObject(t, prepare(t, file, p, sparse), send).rest()
		if !slices.EqualFunc(got, want, func(a, b packet) bool { return bytes.Equal(a.raw, b.raw) }) {
			t.Errorf("%+v: other packets", cfg)
		}
	}
	if _, err := sender.Prepare(t.Context(), bytes.NewReader(file), p, sender.PrepareConfig{Sparse: true, Keep: struct{ sender.Scratch }{}}); err == nil {
		t.Error("a sparse object is kept")
	}
}

func TestWhatIsReadAheadOfALargeSetIsWhatIsSent(t *testing.T) {
	// Files that cannot be read any more are dropped, and the others go on.
	const n, bad = 60, 7
	errGone := errors.New("gone")
	for _, layers := range []int{1, 3} {
		reads, broken := 0, false
		members := sparseSet(t, n, func(file int) error {
			if file%bad == 0 && broken {
				if reads++; reads > 40 {
					return errGone
				}
			}
			return nil
		})
		want := make(map[string]bool)
		for _, m := range members {
			alone := *m.Object
			alone.Manifest.Catalogue = 0 // which is never alone
			c := startObject(t, &alone, sender.Config{Rate: -1, Loops: 1})
			for _, p := range c.rest() {
				want[withoutPath(p.raw)] = true
			}
		}
		broken = true
		var got []byte
		var s *sender.Sender
		var dropped []int
		synctest.Test(t, func(t *testing.T) {
			var err error
			if s, err = sender.NewSet(sender.Config{Rate: 2_000_000, Layers: layers, Loops: 2}, sender.ShareSqrt, members...); err != nil {
				t.Fatal(err)
			}
			before := runtime.NumGoroutine()
			opts := sender.RunOptions{
				Upper: slices.Repeat([]sender.Conn{tape{&got}}, layers-1),
				Failed: func(object int, err error) {
					if !errors.Is(err, errGone) || object%bad != 0 {
						t.Errorf("object %d fails: %v", object, err)
					}
					dropped = append(dropped, object)
				},
				Report: func(time.Time, sender.Progress) error {
					if now := runtime.NumGoroutine(); now > before+1 {
						t.Errorf("%d goroutines, %d before", now, before)
					}
					return nil
				},
			}
			if err := sender.Run(t.Context(), s, tape{&got}, opts); err != nil {
				t.Fatal(err)
			}
		})
		number := numberOf(members)
		counts := make([]int, len(members))
		for d := range slices.Chunk(got, s.DatagramLen()) {
			h, _, _ := proto.Parse(d)
			if counts[number(h)]++; !want[withoutPath(d)] && (h.Type != proto.TypeManifest || number(h) != n) {
				t.Fatalf("%d layers, after %v were dropped: a datagram of object %d that it does not send alone: %+v", layers, dropped, number(h), h)
			}
		}
		slices.Sort(dropped)
		if dropped = slices.Compact(dropped); len(dropped) != (n+bad-1)/bad {
			t.Errorf("%d layers: dropped %v", layers, dropped)
		}
		for i, count := range counts {
			if least := 2 * (1 + i*37/512 + 4); count < least && i%bad != 0 {
				t.Errorf("%d layers: %d packets of object %d, want %d at least", layers, count, i, least)
			}
		}
	}
}

func TestObjectsOfALargeSetThatAreDroppedWhileItIsSent(t *testing.T) {
	// What was read ahead of them is not sent, and does not take the place of other packets.
	const n = 60
	for _, layers := range []int{1, 3} {
		members := sparseSet(t, n, nil)
		number := numberOf(members)
		synctest.Test(t, func(t *testing.T) {
			s, err := sender.NewSet(sender.Config{Rate: 2_000_000, Layers: layers, Loops: 2}, sender.ShareSqrt, members...)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			drops := make(chan int, n)
			gone, checked := 0, 0
			check := func() {
				for d := range slices.Chunk(got[checked:], s.DatagramLen()) {
					h, payload, err := proto.Parse(d)
					if err != nil || number(h) < gone {
						t.Fatalf("%d layers: a packet of object %d, %v", layers, number(h), err)
					}
					if h.Type == proto.TypeData {
						want, err := members[number(h)].Shards.AppendShard(nil, h.Group, h.Index)
						if err != nil || !bytes.Equal(payload, want) {
							t.Fatalf("%d layers: another payload, %v", layers, err)
						}
					}
				}
				checked = len(got)
			}
			dropped := 0
			opts := sender.RunOptions{
				Upper: slices.Repeat([]sender.Conn{tape{&got}}, layers-1),
				Drop:  drops,
				Report: func(time.Time, sender.Progress) error {
					check()
					gone = dropped // they were dropped before the packets that come now
					for range 3 {
						if dropped < n/2 {
							drops <- dropped
							dropped++
						}
					}
					return nil
				},
			}
			if err := sender.Run(t.Context(), s, tape{&got}, opts); err != nil {
				t.Fatal(err)
			}
			if check(); dropped < 20 {
				t.Errorf("only %d were dropped", dropped)
			}
		})
	}
}

// BenchmarkPacketsOfASet is the time of a packet, without its bytes.
func BenchmarkPacketsOfASet(b *testing.B) {
	for share, name := range []string{"sqrt", "size", "shortest"} {
		for _, n := range []int{2, 16, 10_000} {
			b.Run(fmt.Sprintf("share=%s/objects=%d", name, n), func(b *testing.B) {
				members := listed(n, 100, n/4+1)
				if n <= sender.MaxUnlisted {
					members = members[:n]
				}
				c := startSet(b, sender.Config{Rate: 1_000_000_000}, sender.Share(share), members...)
				b.ReportAllocs()
				for b.Loop() {
					c.nextHeader()
				}
			})
		}
	}
}

// BenchmarkMemoryOfASet is the memory that a sender takes for each object, beside the object.
func BenchmarkMemoryOfASet(b *testing.B) {
	for _, layers := range []int{1, 4} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			const n = 10_000
			members := listed(n, 100, n/4)
			all := make([]*sender.Sender, 0, b.N)
			before := heap()
			for range b.N {
				s, err := sender.NewSet(sender.Config{Layers: layers}, sender.ShareSqrt, members...)
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, s)
			}
			b.ReportMetric(float64(heap()-before)/float64(n*b.N), "B/object")
			runtime.KeepAlive(all)
			runtime.KeepAlive(members)
		})
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
