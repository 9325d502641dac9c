// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"slices"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// twoSources makes the objects of two files that share a group.
func twoSources(t *testing.T) (a, b *source) {
	p := smallest(proto.CodeLeopard8, 10, 10)
	return newSource(t, "a.bin", 20_000, p), newSource(t, "b.bin", 30_000, p)
}

// is accepts one name.
func is(name string) func(string) bool { return func(s string) bool { return s == name } }

func TestTwoObjectsOnOneGroup(t *testing.T) {
	// "A receiver that was given an object id receives that and nothing else."
	// spec.md 7.2. Likewise one that was given a name, whatever it hears first
	// and loses.
	a, b := twoSources(t)
	tests := []struct {
		name string
		src  *source
		cfg  receiver.Config
	}{
		{"object a", a, receiver.Config{Object: a.id}},
		{"object b", b, receiver.Config{Object: b.id}},
		{"name a", a, receiver.Config{Name: is("a.bin")}},
		{"name b", b, receiver.Config{Name: is("b.bin")}},
		{"object and name", b, receiver.Config{Object: b.id, Name: is("b.bin")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(6) {
				tr := test.src.receive(test.cfg)
				tr.run(percent(30, seed), a.sender(sender.Config{}), b.sender(sender.Config{}))
				tr.wantFile()
				if got := tr.r.Manifest().Name; got != test.src.object.Manifest.Name {
					t.Errorf("received %q, want %q", got, test.src.object.Manifest.Name)
				}
				if tr.ignored[receiver.ReasonOtherObject] == 0 && tr.r.Progress().Waiting == 0 {
					t.Error("nothing of the other object was ignored")
				}
				for _, s := range tr.stores[:len(tr.stores)-1] {
					if !s.Discarded {
						t.Error("a store of the other object was not discarded")
					}
				}
			}
		})
	}
}

func TestTheFirstObjectWithAManifestIsReceived(t *testing.T) {
	// "A certified object is kept to the end." spec.md 7.2
	a, b := twoSources(t)
	tr := a.receive(receiver.Config{})
	tr.hearAll(a.manifest())
	for range 2 {
		if err := tr.hear(b.manifest(), 0); err != receiver.ReasonOtherObject {
			t.Errorf("manifest of another object: %v", err)
		}
	}
	tr.later(time.Hour)
	if err := tr.hear(b.shard(0, 0), 0); err != receiver.ReasonOtherObject {
		t.Errorf("shard of another object: %v", err)
	}
	if err := tr.hear(b.manifest(), 0); err != receiver.ReasonOtherObject {
		t.Errorf("manifest of another object after an hour: %v", err)
	}
	tr.wantEvents(receiver.ObjectFound{}, receiver.Certified{}, receiver.Refused{})
	if want := (receiver.Refused{Object: b.id, Name: "b.bin", Size: uint64(len(b.file)), Why: receiver.ReasonOtherObject}); !slices.Contains(tr.events, receiver.Event(want)) {
		t.Errorf("events %+v, want %+v among them", tr.events, want)
	}
	tr.run(nothing, a.sender(sender.Config{}))
	tr.wantFile()
}

func TestAnObjectWithTheWantedNameComesFirst(t *testing.T) {
	// "A receiver takes the first object of which a manifest to follow arrives"
	// spec.md 7.2
	a, b := twoSources(t)
	tr := b.receive(receiver.Config{Name: is("b.bin")})
	tr.hearAll(a.shard(0, 0), b.manifest())
	if got := tr.r.Progress().Object; got != b.id {
		t.Errorf("receiving %v, want %v", got, b.id)
	}
}

func TestAnObjectOfAnotherNameIsRefusedAtOnce(t *testing.T) {
	// "A manifest that is genuine but not to follow refuses its object, which is
	// remembered as not wanted: of its packets, only manifests are looked into."
	// spec.md 7.2
	a, b := twoSources(t)
	for _, cfg := range []receiver.Config{{Name: is("a.bin")}, {Name: is("a.bin"), Object: b.id}} {
		tr := a.receive(cfg)
		tr.hearAll(b.shard(0, 0))
		for range 100 {
			tr.wantRefused(receiver.ReasonOtherObject, b.manifest())
			tr.wantRefused(receiver.ReasonOtherObject, b.shard(0, 0))
		}
		if len(tr.stores) != 0 {
			t.Errorf("%d stores were opened, want none", len(tr.stores))
		}
		tr.wantEvents(receiver.Refused{})
		if cfg.Object == (proto.ObjectID{}) {
			tr.hearAll(a.shard(0, 0)) // of the wanted one, without waiting
		}
	}
}

func TestNamesComeFromManifests(t *testing.T) {
	// "A manifest to follow makes the object acceptable again: two senders may
	// give a file different names, and anybody can name it wrongly" spec.md 7.2
	src, other := twoSources(t)
	misnamed := src.manifestWith(func(m *proto.Manifest) { m.Name = "backup.dat" })
	for name, before := range map[string][][]byte{
		"nothing":                     nil,
		"a shard":                     {src.shard(0, 0)},
		"a shard of another object":   {other.shard(0, 0)},
		"the manifest of another one": {other.manifest()},
	} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{Name: is("a.bin")})
			for _, b := range before {
				tr.hear(b, 0)
			}
			for range 3 {
				tr.wantRefused(receiver.ReasonOtherObject, misnamed)
			}
			tr.hearAll(src.manifest(), src.shard(0, 1))
			tr.wantCertified(src)
			tr.hearAll(misnamed) // a certified object is kept
			tr.wantCertified(src)
			tr.run(percent(10, 1), src.sender(sender.Config{}))
			tr.wantFile()
		})
	}
}

func TestNothingIsStoredForAManifestWithAnotherName(t *testing.T) {
	a, b := twoSources(t)
	tr := a.receive(receiver.Config{Name: is("a.bin")})
	for range 2 {
		if err := tr.hear(b.manifest(), 0); err != receiver.ReasonOtherObject {
			t.Errorf("manifest with another name: %v", err)
		}
	}
	if len(tr.stores) != 0 {
		t.Errorf("%d stores were opened for an object that cannot be wanted", len(tr.stores))
	}
	tr.wantEvents(receiver.Refused{})
}

func TestOtherObjectsAreReportedForABoundedNumber(t *testing.T) {
	// "It is reported once an object, for a bounded number of them." An
	// attacker has any number of objects.
	a, b := twoSources(t)
	tr := a.receive(receiver.Config{})
	tr.hearAll(a.manifest())
	for i := range 1000 {
		other := *b.object
		other.Manifest.Descriptor.SHA256[0] = byte(i)
		other.Manifest.Descriptor.SHA256[1] = byte(i >> 8)
		s := *b
		s.object = &other
		tr.hear(s.manifest(), 0)
	}
	if got := count[receiver.Refused](tr); got < 10 || got > 64 {
		t.Errorf("%d of 1000 other objects were reported, want up to 64", got)
	}
}

func TestEachObjectIsMeasuredAlone(t *testing.T) {
	ghost, real := twoSources(t)
	tr := real.receive(receiver.Config{})
	s := ghost.sender(sender.Config{})
	tr.next(s) // its manifest is lost
	tr.hear(tr.next(s), 0)
	tr.next(s)
	tr.hear(tr.next(s), 0)
	if got, want := tr.r.Progress(), (receiver.Progress{Waiting: 2}); got != want {
		t.Errorf("progress %+v, want %+v", got, want)
	}
	tr.hear(real.manifest(), 0)
	if got, want := tr.r.Progress().Loss, (receiver.Loss{Spanned: 1}); got != want {
		t.Errorf("loss of the new object %+v, want %+v", got, want)
	}
	if p := tr.r.Progress(); p.Data != 0 || p.Held != 0 || p.Manifests != 1 {
		t.Errorf("progress of the new object: %+v", p)
	}
}

func TestAnObjectOverALimitDisplacesNothing(t *testing.T) {
	// "A datagram that fails MUST NOT change any state but a count." spec.md 7.1
	a, b := twoSources(t)
	tr := a.receive(receiver.Config{MaxSize: 25_000, Name: func(string) bool { return true }})
	tr.hearAll(a.manifest(), a.shard(0, 0))
	if err := tr.hear(b.manifest(), 0); err != receiver.ReasonTooLarge {
		t.Errorf("the manifest of a file over the limit: %v, want %v", err, receiver.ReasonTooLarge)
	}
	if got := tr.r.Progress(); got.Object != a.id || got.Held != 1 {
		t.Errorf("afterwards %d shards of %v are held, want 1 of %v", got.Held, got.Object, a.id)
	}
}

func TestAFileThatNeedsTooMuchMemoryIsRefused(t *testing.T) {
	src := newTree(t, "", 300*256, smallest(proto.CodeLeopard16, 300, 300))
	need, err := receiver.NeedOf(src.geo.Params)
	if err != nil {
		t.Fatal(err)
	}
	tr := src.receive(receiver.Config{MemoryLimit: int(need.Least) - 1})
	tr.hear(src.shard(0, 0), 0) // can be anybody's, and says nothing
	if err := tr.hear(src.manifest(), 0); err != receiver.ReasonMemory {
		t.Errorf("got %v, want %v", err, receiver.ReasonMemory)
	}
	tr.wantEvents(receiver.Refused{})
	if e, ok := tr.events[0].(receiver.Refused); !ok || e.Why != receiver.ReasonMemory || e.Memory != need.Least {
		t.Errorf("got %+v, want %d bytes", e, need.Least)
	}
	if p := tr.r.Progress(); p.Needed != 0 || len(tr.stores) != 0 {
		t.Errorf("%d shards are needed, %d stores were opened, want nothing", p.Needed, len(tr.stores))
	}

	tr = src.receive(receiver.Config{MemoryLimit: int(need.Least)})
	tr.run(percent(20, 1), src.sender(sender.Config{}))
	tr.wantFile()
}

func TestAFileInMemoryCounts(t *testing.T) {
	src := newTree(t, "", 300*256, smallest(proto.CodeLeopard16, 300, 300))
	need, err := receiver.NeedOf(src.geo.Params)
	if err != nil {
		t.Fatal(err)
	}
	limit := int(need.Least) + len(src.file)
	tr := src.receive(receiver.Config{MemoryLimit: limit - 1, InMemory: true})
	if err := tr.hear(src.manifest(), 0); err != receiver.ReasonMemory {
		t.Errorf("got %v, want %v", err, receiver.ReasonMemory)
	}
	tr = src.receive(receiver.Config{MemoryLimit: limit, InMemory: true})
	tr.run(percent(20, 1), src.sender(sender.Config{}))
	tr.wantFile()
}
