// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// claim returns the datagram of an unsigned manifest of an object that nobody has. A name
// makes it a file, none a catalogue of so many objects.
func claim(t testing.TB, name string, size uint64, objects, number uint32) []byte {
	t.Helper()
	p := small(proto.CodeLeopard8, 5, 5)
	if size > 1<<20 {
		p.K, p.M = 200, 20
	}
	p.Size = size
	return claimOf(t, name, p, objects, number)
}

// claimOf is claim of an object with parameters.
func claimOf(t testing.TB, name string, p proto.Params, objects, number uint32) []byte {
	t.Helper()
	m := proto.Manifest{Descriptor: proto.Descriptor{Params: p}, Name: name, Catalogue: objects}
	binary.BigEndian.PutUint32(m.Descriptor.SHA256[:], number)
	h := proto.Header{Type: proto.TypeManifest, Object: m.Descriptor.Object(), Params: p, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
	b, err := m.AppendPayload(h.AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	proto.PutChecksum(b)
	return b
}

// signedBy has a key sign a catalogue, as a release of sequence 7.
func signedBy(key keys.SecretKey, change func(m *proto.Manifest)) func(m *proto.Manifest) {
	return func(m *proto.Manifest) {
		m.Channel, m.Sequence = "iotupd", 7
		if change != nil {
			change(m)
		}
		m.Signatures = []proto.Signature{key.Sign(m)}
	}
}

// sign has a key sign the files.
func sign(key keys.SecretKey, sequence uint64, files ...*source) {
	for _, f := range files {
		m := &f.object.Manifest
		m.Channel, m.Sequence = "iotupd", sequence
		m.Signatures = []proto.Signature{key.Sign(m)}
	}
}

// beat passes time, and a packet of each source and forged ones, until the receiver is done
// or this time is over. It returns how long that took.
func (h *harvest) beat(f *fleet, limit time.Duration, forged func(i int) []byte) time.Duration {
	h.t.Helper()
	return h.transfer.beat(f, limit, forged)
}

func (tr *transfer) beat(f *fleet, limit time.Duration, forged func(i int) []byte) time.Duration {
	tr.t.Helper()
	const step = 20 * time.Millisecond
	began := tr.now
	for i := 0; !tr.r.Done() && tr.now.Sub(began) < limit; i++ {
		tr.later(step)
		for j := range f.sources {
			tr.hear(f.next(j), 1)
		}
		if b := forged(i); b != nil {
			tr.hear(b, 1)
		}
	}
	return tr.now.Sub(began)
}

func TestForgedCataloguesNeitherAddObjectsNorEndTheList(t *testing.T) {
	// spec.md 5.5, 6.6: "Any other is a list of objects that may exist: where signatures
	// count, each of its manifests needs its own."
	key, stranger := keys.Generate(), keys.Generate()
	genuine := newTree(t, "genuine", 3000, small(proto.CodeLeopard8, 5, 5))
	sign(key, 7, genuine)
	forged := filesOf(t, 3)
	for name, change := range map[string]func(m *proto.Manifest){
		"unsigned":      nil,
		"another key":   signedBy(stranger, nil),
		"older":         signedBy(key, func(m *proto.Manifest) { m.Sequence = 6 }),
		"other channel": signedBy(key, func(m *proto.Manifest) { m.Channel = "other" }),
		"expired":       signedBy(key, func(m *proto.Manifest) { m.Expires = uint64(epoch.Unix()) }),
	} {
		for _, take := range []receiver.Take{receiver.TakeAll, receiver.TakeFirst, receiver.TakeOnly} {
			t.Run(fmt.Sprintf("%s/take=%d", name, take), func(t *testing.T) {
				trust := trusting(key)
				trust.MinSequence = 7
				stores := make(map[proto.ObjectID]*receiver.MemStore)
				tr := genuine.receive(receiver.Config{Trust: trust, Take: take, Open: func(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
					stores[id] = receiver.NewMemStore(int(p.Size))
					return stores[id], nil
				}})
				f := newFleet(t, append([]*source{catalogueOf(t, change, append(forged, genuine)...)}, forged...)...)
				tr.beat(f, 5*time.Second, func(int) []byte { return nil })
				for _, e := range tr.events {
					if c, ok := e.(receiver.Certified); ok && c.Manifest.Name != "genuine" {
						t.Fatalf("%q counts as signed", c.Manifest.Name)
					}
				}
				if tr.r.Done() || tr.r.Err() != nil || tr.r.Totals().Complete {
					t.Fatalf("the list has ended: %+v, %v", tr.r.Totals(), tr.r.Err())
				}
				took := tr.beat(newFleet(t, append(f.sources, genuine)...), 20*time.Second, func(int) []byte { return nil })
				if s := stores[genuine.id]; !tr.r.Done() || tr.r.Err() != nil || s == nil || !bytes.Equal(s.Bytes(), genuine.file) {
					t.Fatalf("%v, %+v", tr.r.Err(), tr.r.Totals())
				}
				if took > 12*time.Second || len(stores) > 1 {
					t.Errorf("it took %v, %d stores", took, len(stores))
				}
			})
		}
	}
}

func TestACatalogueThatClaimsMoreThanItHasIsRefused(t *testing.T) {
	files := filesOf(t, 3)
	for name, test := range map[string]struct {
		objects uint32
		most    int
		content []byte
		why     proto.Reason
	}{
		"65,536 objects in 100 bytes":        {proto.MaxCatalogue, proto.MaxCatalogue, make([]byte, 100), receiver.ReasonManifest},
		"more than --max-objects":            {proto.MaxCatalogue, 0, make([]byte, 100), receiver.ReasonTooMany},
		"a manifest of a catalogue":          {1, 0, entries(t, catalogueOf(t, nil, files...)), receiver.ReasonManifest},
		"a manifest that is longer than all": {1, 0, append([]byte(proto.CatalogueMagic), 0xff, 0xff), receiver.ReasonManifest},
	} {
		t.Run(name, func(t *testing.T) {
			c := prepareFile(t, "", test.content, small(proto.CodeLeopard8, 5, 5), sender.PrepareConfig{})
			c.object.Manifest.Catalogue = test.objects
			h := reap(t, receiver.Config{MaxObjects: test.most})
			f := newFleet(t, c)
			grown := heapGrowth(func() { h.beat(f, 5*time.Second, func(int) []byte { return nil }) })
			for _, e := range h.events {
				if r, ok := e.(receiver.Refused); ok && r.Why == test.why {
					if n := h.r.Totals().Objects; n > 0 || grown > 2*receiver.WaitingMemory {
						t.Errorf("%d objects, %d bytes of memory", n, grown)
					}
					return
				}
			}
			t.Errorf("events %+v, want that it is refused: %v", h.events, test.why)
		})
	}
}

// entries is a catalogue of manifests, whatever they are.
func entries(t testing.TB, sources ...*source) []byte {
	t.Helper()
	b := []byte(proto.CatalogueMagic)
	for _, s := range sources {
		enc := s.object.Manifest.AppendTo(nil)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(enc))), enc...)
	}
	return b
}

func TestACatalogueThatNeverComesIsReplacedByAnother(t *testing.T) {
	// spec.md 7.2: "another one in place of one of which nothing new has come for 11 s",
	// however often its manifest is repeated.
	key := keys.Generate()
	files := filesOf(t, 20)
	for name, test := range map[string]struct {
		cfg    receiver.Config
		change func(m *proto.Manifest)
		most   time.Duration
	}{
		"no keys":                 {receiver.Config{}, nil, 13 * time.Second},
		"signed, before unsigned": {receiver.Config{Trust: trusting(key)}, signedBy(key, nil), 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			h := reap(t, test.cfg)
			bomb := claim(t, "", 60<<20, 1000, 0)
			if err := h.hear(bomb, 1); err != nil {
				t.Fatal(err)
			}
			f, took := newFleet(t, catalogueOf(t, test.change, files...)), time.Duration(0)
			for h.r.Totals().Objects == 0 && took < time.Minute {
				took += h.beat(f, 100*time.Millisecond, func(int) []byte { return bomb })
			}
			if n := h.r.Totals().Objects; n != len(files) || took > test.most {
				t.Errorf("%d objects after %v", n, took)
			}
			h.beat(newFleet(t, files...), time.Minute, func(int) []byte { return nil })
			h.wantFiles(files...)
			if !h.r.Totals().Catalogued && test.cfg.Trust != nil {
				t.Errorf("%+v", h.r.Totals())
			}
		})
	}
}

func TestForgedCataloguesDelayAReceiverOfOneFileByElevenSeconds(t *testing.T) {
	// A flood of different ones, without a key and with one that does not count.
	key := keys.Generate()
	src := newTree(t, "genuine", 20_000, small(proto.CodeLeopard8, 5, 5))
	sign(key, 7, src)
	for name, cfg := range map[string]receiver.Config{"keys": {Trust: trusting(key)}, "no keys": {}} {
		for _, take := range []receiver.Take{receiver.TakeFirst, receiver.TakeOnly, receiver.TakeAll} {
			t.Run(fmt.Sprintf("%s/take=%d", name, take), func(t *testing.T) {
				cfg.Take = take
				tr := src.receive(cfg)
				tr.hear(claim(t, "", 60<<20, 1000, 1_000_000), 1)
				took := tr.beat(newFleet(t, src), time.Minute, func(i int) []byte { return claim(t, "", 60<<20, 1000, uint32(i)) })
				if !tr.r.Done() || tr.r.Err() != nil || !bytes.Equal(tr.store().Bytes(), src.file) {
					t.Fatalf("%v after %v", tr.r.Err(), took)
				}
				if took > 13*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

func TestACatalogueInPiecesDelaysNoFileThatWasSigned(t *testing.T) {
	// The forger sends a shard of a large catalogue every few seconds, as if it were slow.
	key := keys.Generate()
	src := newTree(t, "genuine", 20_000, small(proto.CodeLeopard8, 5, 5))
	sign(key, 7, src)
	forged := catalogueOf(t, nil, filesOf(t, 300)...)
	tr := src.receive(receiver.Config{Trust: trusting(key), Take: receiver.TakeOnly})
	forger := newFleet(t, forged)
	tr.hear(forger.next(0), 1)
	took := tr.beat(newFleet(t, src), time.Minute, func(i int) []byte {
		if i%100 > 0 {
			return nil
		}
		return forger.next(0)
	})
	if !tr.r.Done() || tr.r.Err() != nil || took > 13*time.Second {
		t.Errorf("%v after %v", tr.r.Err(), took)
	}
}

func TestAnUnsignedCatalogueDoesNotOpenAListAgain(t *testing.T) {
	// spec.md 7.2: "an unsigned one does not add time to a list of all objects that a signed
	// one has ended."
	key := keys.Generate()
	files := filesOf(t, 20)
	h := reap(t, receiver.Config{Trust: trusting(key)})
	f := newFleet(t, append([]*source{catalogueOf(t, signedBy(key, nil), files...)}, files...)...)
	took := h.beat(f, time.Minute, func(i int) []byte { return claim(t, "", 60<<20, 1000, uint32(i)) })
	h.wantFiles(files...)
	if took > 5*time.Second || !h.r.Totals().Catalogued {
		t.Errorf("it took %v; %+v", took, h.r.Totals())
	}
}

func TestCopiesWithTheFlagOfASetDelayAReceiverByElevenSeconds(t *testing.T) {
	// spec.md 7.2: "SET is not under the checksum, so that anybody can set it in copies of
	// genuine packets. That delays a receiver by 11 s, and no more."
	src := newTree(t, "only", 20_000, small(proto.CodeLeopard8, 5, 5))
	tr := src.receive(receiver.Config{Take: receiver.TakeOnly})
	s := src.sender(sender.Config{Rate: -1})
	began := tr.now
	for i := 0; !tr.r.Done() && tr.now.Sub(began) < time.Minute; i++ {
		tr.later(20 * time.Millisecond)
		b, err := s.AppendDatagrams(nil, tr.now, 1)
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			tr.hear(forge(t, b, func(h *proto.Header, _ []byte) { h.Path.Flags |= proto.PathSet }), 1)
		}
		tr.hear(b, 1)
	}
	if took := tr.now.Sub(began); !tr.r.Done() || tr.r.Err() != nil || took > 12*time.Second || took < 11*time.Second {
		t.Errorf("%v after %v", tr.r.Err(), took)
	}
}

func TestForgedManifestsAreBoundedByTheNumberOfObjects(t *testing.T) {
	// Without keys, a receiver of all objects begins with whatever is sent.
	const forged, most = 20_000, 5000
	h := reap(t, receiver.Config{MaxObjects: most, Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return discard{}, nil }})
	grown := heapGrowth(func() {
		for i := range uint32(forged) {
			h.hear(claim(t, fmt.Sprintf("forged %d", i), 100_000, 0, i), 1)
		}
		h.events, h.ignored = nil, map[proto.Reason]int{receiver.ReasonTooMany: h.ignored[receiver.ReasonTooMany]}
	})
	got := h.r.Totals()
	if got.Objects != most || got.LeftOut != receiver.ReasonTooMany || h.ignored[receiver.ReasonTooMany] != forged-most {
		t.Errorf("%+v, ignored %v", got, h.ignored)
	}
	t.Logf("%d bytes of memory for each", grown/most)
	if grown > most*8<<10 {
		t.Errorf("%d bytes for %d objects", grown, most)
	}
}

func TestAFileOverTheLimitOfSizeIsLeftOut(t *testing.T) {
	// spec.md 7.2: "The limits of 7.5 hold for objects of a catalogue as for packets."
	files := filesOf(t, 3)
	large := newTree(t, "large", 50_000, small(proto.CodeLeopard8, 5, 5))
	all := append([]*source{large}, files...)
	for name, sources := range map[string][]*source{
		"in a catalogue": append([]*source{catalogueOf(t, nil, all...)}, all...),
		"by a manifest":  all,
	} {
		t.Run(name, func(t *testing.T) {
			h := reap(t, receiver.Config{MaxSize: 10_000})
			h.beat(newFleet(t, sources...), time.Minute, func(int) []byte { return nil })
			h.wantFiles(files...)
			if got := h.r.Totals(); got.LeftOut != receiver.ReasonTooLarge || !h.r.Done() {
				t.Errorf("%+v", got)
			}
		})
		t.Run(name+", alone", func(t *testing.T) {
			tr := large.receive(receiver.Config{MaxSize: 10_000, Name: is("large")})
			tr.beat(newFleet(t, sources...), 5*time.Second, func(int) []byte { return nil })
			if len(tr.stores) > 0 || tr.r.Manifest() != nil || tr.ignored[receiver.ReasonTooLarge] == 0 {
				t.Errorf("it is received; ignored: %v", tr.ignored)
			}
		})
	}
}

func TestAFileThatNeedsTooMuchMemoryFailsAlone(t *testing.T) {
	files := filesOf(t, 2)
	large := newTree(t, "large", 8<<20, small(proto.CodeLeopard8, 50, 5))
	h := reap(t, receiver.Config{MemoryLimit: 8 << 20, InMemory: true})
	h.beat(newFleet(t, append(files, large)...), time.Minute, func(int) []byte { return nil })
	h.wantFiles(files...)
	for _, e := range h.events {
		if e, ok := e.(receiver.Failed); ok && e.Manifest.Name == "large" && errors.Is(e.Err, receiver.ReasonMemory) {
			return
		}
	}
	t.Errorf("%+v, want that the large one has failed", h.r.Totals())
}

func TestAListWithNothingToFollowHasNotEnded(t *testing.T) {
	// The sender may replace its set by another one.
	files := filesOf(t, 20)
	for _, catalogued := range []bool{true, false} {
		h := reap(t, receiver.Config{Name: is("wanted")})
		sources := files
		if catalogued {
			sources = append([]*source{catalogueOf(t, nil, files...)}, files...)
		}
		h.beat(newFleet(t, sources...), 30*time.Second, func(int) []byte { return nil })
		if h.r.Done() || !h.r.Wants() {
			t.Fatalf("done: %v, it wants packets: %v", h.r.Done(), h.r.Wants())
		}
		wanted := newTree(t, "wanted", 3000, small(proto.CodeLeopard8, 5, 5))
		h.beat(newFleet(t, append(files, wanted)...), time.Minute, func(int) []byte { return nil })
		h.wantFiles(wanted)
	}
}

func TestManyForgedManifestsDoNotHideAFileThatWasSigned(t *testing.T) {
	key := keys.Generate()
	files := filesOf(t, 3)
	sign(key, 7, files...)
	h := reap(t, receiver.Config{Trust: trusting(key), MaxObjects: 3})
	rnd := rand.New(rand.NewPCG(1, 1))
	took := h.beat(newFleet(t, files...), time.Minute, func(i int) []byte {
		return claim(t, fmt.Sprintf("file %d", rnd.IntN(3)), 3000, 0, uint32(i))
	})
	h.wantFiles(files...)
	if got := h.r.Totals(); got.Objects != 3 || got.LeftOut != "" || took > 12*time.Second {
		t.Errorf("%+v after %v", got, took)
	}
}

func TestTenThousandFilesAreReceivedAtATime(t *testing.T) {
	// spec.md 7.5: "with all objects as many as are listed". Packets of objects that
	// had to wait for others would be lost.
	const n = 10_000
	for _, inMemory := range []bool{false, true} {
		p := proto.Params{Code: proto.CodeLeopard8, K: 100, M: 28, ShardSize: 1152, Size: 1 << 20}
		h := reap(t, receiver.Config{InMemory: inMemory, Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return discard{}, nil }})
		for i := range uint32(n) {
			h.hear(claimOf(t, fmt.Sprintf("file %d", i), p, 0, i), 1)
		}
		if got := len(h.r.Objects(n)); got != n || h.ignored[receiver.ReasonBusy] > 0 {
			t.Errorf("%d are received at a time; ignored: %v", got, h.ignored)
		}
	}
}
