// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// manifestWith returns the datagram with a changed manifest.
func (s *source) manifestWith(change func(m *proto.Manifest)) []byte {
	s.t.Helper()
	o := *s.object
	change(&o.Manifest)
	other := *s
	other.object = &o
	return other.manifest()
}

// signed returns the datagram with a manifest that key has signed after it was
// changed.
func (s *source) signed(key keys.SecretKey, change func(m *proto.Manifest)) []byte {
	s.t.Helper()
	return s.signedBy([]keys.SecretKey{key}, change)
}

// signedBy is signed of several keys, in their order.
func (s *source) signedBy(all []keys.SecretKey, change func(m *proto.Manifest)) []byte {
	s.t.Helper()
	return s.manifestWith(func(m *proto.Manifest) {
		m.Channel = "iotupd"
		change(m)
		m.Signatures = nil
		for _, key := range all {
			m.Signatures = append(m.Signatures, key.Sign(m))
		}
	})
}

// sequence is a change of a manifest.
func sequence(n uint64) func(m *proto.Manifest) { return func(m *proto.Manifest) { m.Sequence = n } }

// trusting believes manifests of a key for the channel of signed.
func trusting(all ...keys.SecretKey) *receiver.Policy {
	p := &receiver.Policy{Channel: "iotupd"}
	for _, key := range all {
		p.Keys = append(p.Keys, key.Public())
	}
	return p
}

// wantCertified fails unless the source is being received, with its manifest.
func (tr *transfer) wantCertified(s *source) {
	tr.t.Helper()
	if p := tr.r.Progress(); p.Object != s.id {
		tr.t.Fatalf("receiving %v, want %v", p.Object, s.id)
	}
}

func TestOnlyTrustedSignaturesCount(t *testing.T) {
	// "It MUST refuse a manifest without a valid signature of one of its keys"
	// spec.md 5.5. "A manifest that is not genuine, by signature or by object id,
	// refuses nothing." spec.md 7.2
	key, second, foreign := keys.Generate(), keys.Generate(), keys.Generate()
	impostor := foreign
	impostor.ID = key.ID
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	good := src.signed(key, sequence(7))
	bad := map[string][]byte{
		"unsigned":                src.manifest(),
		"another key":             src.signed(foreign, sequence(7)),
		"another key, same id":    src.signed(impostor, sequence(7)),
		"changed after it":        src.manifestWith(func(m *proto.Manifest) { m.Signatures = []proto.Signature{key.Sign(m)}; m.Sequence = 8 }),
		"signature of all zeros":  src.manifestWith(func(m *proto.Manifest) { m.Signatures = []proto.Signature{{KeyID: key.ID}} }),
		"no manifest":             forge(t, good, func(_ *proto.Header, payload []byte) { clear(payload) }),
		"lengths that reach far":  forge(t, good, func(_ *proto.Header, payload []byte) { payload[20], payload[21] = 0xff, 0xff }),
		"four signatures, forged": src.manifestWith(func(m *proto.Manifest) { m.Signatures = make([]proto.Signature, 4) }),
	}
	for name, b := range bad {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{Trust: trusting(key, second)})
			tr.wantRefused(receiver.ReasonSignature, b)
			tr.hearAll(src.shard(0, 0), src.shard(1, 11))
			for range 100 {
				tr.wantRefused(receiver.ReasonSignature, b)
				tr.later(10 * time.Millisecond)
			}
			tr.wantHeld(0)
			tr.hearAll(good)
			tr.wantCertified(src)
			tr.wantHeld(2)
			tr.hear(b, 0) // the object has its manifest
			tr.wantCertified(src)
			tr.run(percent(10, 1), src.sender(sender.Config{}))
			tr.wantFile()
		})
	}
}

func TestEveryTrustedSignerIsReported(t *testing.T) {
	// "Signatures of keys that it does not know, and wrong ones, count for nothing,
	// whatever their order." spec.md 5.5. "the receiver remembers, for every trusted
	// key that signed" spec.md 7.2
	a, b, foreign := keys.Generate(), keys.Generate(), keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	for _, test := range []struct{ by, want []keys.SecretKey }{
		{[]keys.SecretKey{a}, []keys.SecretKey{a}},
		{[]keys.SecretKey{foreign, b}, []keys.SecretKey{b}},
		{[]keys.SecretKey{a, b}, []keys.SecretKey{a, b}},
		{[]keys.SecretKey{b, foreign, b, a}, []keys.SecretKey{a, b}},
	} {
		tr := src.receive(receiver.Config{Trust: trusting(a, b)})
		tr.hearAll(src.signedBy(test.by, sequence(7)))
		tr.wantCertified(src)
		got, want := tr.events[1].(receiver.Certified).Signers, trusting(test.want...).Keys
		if !slices.Equal(got, want) {
			t.Errorf("signed by %v, want %v", got, want)
		}
	}
}

func TestAPolicySaysWhichReleasesAreInstalled(t *testing.T) {
	// "It MUST refuse a manifest ... whose channel is not the receiver's own, or
	// that does not have a channel, that names hardware, if the receiver knows
	// its own hardware and the manifest does not name it, that has expired, by a
	// clock that was set, whose sequence is lower than the highest that was
	// installed of any of its keys, or equal with another object." "A lowest
	// sequence that the user states applies in any case." spec.md 5.5
	key, other := keys.Generate(), keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	installed := func(by keys.SecretKey, n uint64, id proto.ObjectID) func(p *receiver.Policy) {
		return func(p *receiver.Policy) {
			p.Installed = map[receiver.Series]receiver.Release{{Key: by.ID}: {Sequence: n, Object: id}}
		}
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	expires := func(at time.Time) func(m *proto.Manifest) {
		return func(m *proto.Manifest) { m.Expires = uint64(at.Unix()) }
	}
	tests := []struct {
		name   string
		change func(m *proto.Manifest)
		policy func(p *receiver.Policy)
		now    time.Time
		want   proto.Reason // empty: it is followed
	}{
		{name: "plain"},
		{name: "another channel", change: func(m *proto.Manifest) { m.Channel = "beta" }, want: receiver.ReasonChannel},
		{name: "no channel", change: func(m *proto.Manifest) { m.Channel = "" }, want: receiver.ReasonChannel},
		{name: "no channel anywhere", change: func(m *proto.Manifest) { m.Channel = "" }, policy: func(p *receiver.Policy) { p.Channel = "" }, want: receiver.ReasonChannel},

		{name: "for this hardware", change: targets("rev1", "rev2"), policy: hardware("rev2")},
		{name: "for one of its names", change: targets("rev1", "rev2"), policy: hardware("board", "rev1")},
		{name: "for other hardware", change: targets("rev1"), policy: hardware("rev2"), want: receiver.ReasonTarget},
		{name: "for some hardware", change: targets("rev1")},
		{name: "for any hardware", policy: hardware("rev1")},

		{name: "still valid", change: expires(now.Add(time.Second)), now: now},
		{name: "expired now", change: expires(now), now: now, want: receiver.ReasonExpired},
		{name: "expired long ago", change: expires(now.AddDate(-1, 0, 0)), now: now, want: receiver.ReasonExpired},
		{name: "never expires", change: expires(time.Unix(0, 0)), now: now},
		{name: "expired in 2^63 s", change: func(m *proto.Manifest) { m.Expires = 1 << 63 }, now: now},
		{name: "expired, says a clock that was never set", change: expires(time.Unix(100, 0)), now: time.Unix(3600, 0)},
		{name: "expired, says a clock before its epoch", change: expires(time.Unix(100, 0)), now: time.Unix(-3600, 0)},

		{name: "newer", change: sequence(8), policy: installed(key, 7, proto.ObjectID{1})},
		{name: "older", change: sequence(6), policy: installed(key, 7, proto.ObjectID{1}), want: receiver.ReasonRollback},
		{name: "unnumbered", policy: installed(key, 7, proto.ObjectID{1}), want: receiver.ReasonRollback},
		{name: "the same", change: sequence(7), policy: installed(key, 7, src.id)},
		{name: "the same number", change: sequence(7), policy: installed(key, 7, proto.ObjectID{1}), want: receiver.ReasonRollback},
		{name: "older, of the same object", change: sequence(6), policy: installed(key, 7, src.id), want: receiver.ReasonRollback},
		{name: "older than another signer's", change: sequence(6), policy: installed(other, 7, proto.ObjectID{1}), want: receiver.ReasonRollback},
		{name: "another signer's number", change: sequence(7), policy: installed(other, 7, proto.ObjectID{1}), want: receiver.ReasonRollback},
		{name: "one of two of a number", change: sequence(7), policy: func(p *receiver.Policy) {
			installed(other, 7, src.id)(p)
			p.Installed[receiver.Series{Key: key.ID}] = receiver.Release{Sequence: 7, Object: proto.ObjectID{1}}
		}},
		{name: "older than of a key that is not trusted", change: sequence(6), policy: installed(keys.Generate(), 7, proto.ObjectID{1})},
		{name: "the highest number", change: sequence(1<<64 - 1), policy: installed(key, 1<<64-2, proto.ObjectID{1})},

		{name: "below the least", change: sequence(4), policy: func(p *receiver.Policy) { p.MinSequence = 5 }, want: receiver.ReasonRollback},
		{name: "the least", change: sequence(5), policy: func(p *receiver.Policy) { p.MinSequence = 5 }},
		{name: "a downgrade that is wanted", change: sequence(4), policy: func(p *receiver.Policy) {
			installed(key, 7, proto.ObjectID{1})(p)
			p.MinSequence, p.AllowDowngrade = 4, true
		}},
		{name: "a downgrade below the least", change: sequence(4), policy: func(p *receiver.Policy) {
			p.MinSequence, p.AllowDowngrade = 5, true
		}, want: receiver.ReasonRollback},
		{name: "a wanted downgrade to another channel", change: func(m *proto.Manifest) { m.Channel = "beta" }, policy: func(p *receiver.Policy) {
			p.AllowDowngrade = true
		}, want: receiver.ReasonChannel},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			policy := trusting(key, other)
			if test.policy != nil {
				test.policy(policy)
			}
			if test.change == nil {
				test.change = func(*proto.Manifest) {}
			}
			if test.now.IsZero() {
				test.now = epoch
			}
			b := src.signed(key, test.change)
			for name, hearFirst := range map[string]bool{"manifest": false, "shard": true} {
				tr := src.receive(receiver.Config{Trust: policy})
				tr.now = test.now
				if hearFirst {
					tr.hearAll(src.shard(0, 0))
				}
				if test.want == "" {
					tr.hearAll(b)
					tr.wantCertified(src)
					tr.run(percent(10, 1), src.sender(sender.Config{}))
					tr.wantFile()
					continue
				}
				tr.wantRefused(test.want, b)
				if tr.r.Progress().Object != (proto.ObjectID{}) || len(tr.stores) > 0 {
					t.Errorf("%s first: receiving %+v", name, tr.r.Progress())
				}
				tr.wantRefused(receiver.ReasonOtherObject, src.shard(0, 1))
				tr.wantRefused(test.want, b)
			}
		})
	}
}

func targets(names ...string) func(m *proto.Manifest) {
	return func(m *proto.Manifest) { m.Targets = names }
}

func hardware(names ...string) func(p *receiver.Policy) {
	return func(p *receiver.Policy) { p.Targets = names }
}

func TestARefusedObjectComesBackByABetterManifest(t *testing.T) {
	// "A manifest to follow makes the object acceptable again: ... where
	// signatures count, a better one may expire later." spec.md 7.2
	key := keys.Generate()
	src := newTree(t, "fw", 30*512, small(proto.CodeLeopard8, 10, 10))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	old := src.signed(key, func(m *proto.Manifest) { m.Sequence, m.Expires = 3, uint64(now.Unix()-1) })
	tr := src.receive(receiver.Config{Trust: trusting(key)})
	tr.now = now
	for range 3 {
		tr.wantRefused(receiver.ReasonExpired, old)
	}
	tr.wantRefused(receiver.ReasonOtherObject, src.shard(0, 0))
	tr.hearAll(src.signed(key, sequence(4)))
	tr.wantCertified(src)
	tr.hearAll(src.shard(0, 0), old)
	tr.wantCertified(src)
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
}

func TestAManifestThatExpiresMeanwhileIsNotInstalled(t *testing.T) {
	// "A manifest is checked again when the file is complete: if it has expired
	// meanwhile, its object is refused." spec.md 7.2
	key := keys.Generate()
	src := newTree(t, "fw", 30*512, small(proto.CodeLeopard8, 10, 10))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	until := func(at time.Time) []byte {
		return src.signed(key, func(m *proto.Manifest) { m.Sequence, m.Expires = 3, uint64(at.Unix()) })
	}
	for name, start := range map[string]time.Time{"in time": now, "by a clock that was never set": time.Unix(3600, 0)} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{Trust: trusting(key)})
			tr.idle = true // no job runs
			tr.now = start
			tr.hearAll(until(now.Add(time.Minute)))
			openStore(tr.r, tr.now)
			for _, s := range src.real() {
				if s[1] < src.geo.K {
					tr.hearAll(src.shard(uint32(s[0]), s[1]))
				}
			}
			tr.now = now.Add(time.Minute)
			tr.work()
			if tr.r.Done() || count[receiver.Verified](tr) > 0 || count[receiver.Dropped](tr) != 1 || count[receiver.Refused](tr) != 1 {
				t.Fatalf("done: %v, events %+v", tr.r.Done(), tr.events)
			}
			tr.wantRefused(receiver.ReasonExpired, until(now.Add(time.Minute)))
			tr.idle = false
			tr.hearAll(until(now.Add(time.Hour))) // signed again
			tr.wantCertified(src)
			tr.run(nothing, src.sender(sender.Config{}))
			tr.wantFile()
		})
	}
}

func TestANewerReleaseTakesOver(t *testing.T) {
	// "A manifest to follow of the same component with a higher sequence takes the
	// place of the object that is being received" spec.md 7.2
	key := keys.Generate()
	p := small(proto.CodeLeopard8, 10, 10)
	a, b := newTree(t, "a", 30*512, p), newTree(t, "b", 40*512, p)
	tr := b.receive(receiver.Config{Trust: trusting(key)})
	tr.idle = true
	tr.hearAll(a.shard(0, 10))
	for i := range 9 {
		tr.hearAll(a.shard(0, i))
	}
	tr.hearAll(a.signed(key, sequence(5)))
	job := tr.job()
	tr.wantRefused(receiver.ReasonOtherObject, b.shard(0, 0))
	tr.wantRefused(receiver.ReasonOtherObject, b.signed(key, sequence(4)))
	tr.wantRefused(receiver.ReasonOtherObject, b.signed(key, sequence(5)))
	tr.wantRefused(receiver.ReasonSignature, b.manifestWith(sequence(6)))
	tr.wantCertified(a)
	tr.hearAll(b.signed(key, sequence(6)))
	tr.wantCertified(b)
	if !tr.stores[0].Discarded || count[receiver.Dropped](tr) != 1 {
		t.Errorf("the older release was not dropped: %+v", tr.events)
	}
	job.Run() // its store is gone
	tr.r.Finish(tr.now, job)
	tr.wantRefused(receiver.ReasonOtherObject, a.signed(key, sequence(5)))
	tr.idle = false
	tr.run(percent(20, 1), b.sender(sender.Config{}), a.sender(sender.Config{}))
	tr.wantFile()
}

func TestASignedReleaseDoesNotWaitForAGhost(t *testing.T) {
	// "A receiver takes the first object of which a manifest to follow arrives"
	// spec.md 7.2
	key := keys.Generate()
	ghost, real := twoSources(t)
	tr := real.receive(receiver.Config{Trust: trusting(key)})
	tr.hearAll(ghost.shard(0, 0))
	tr.wantRefused(receiver.ReasonSignature, ghost.manifest())
	tr.hearAll(real.signed(key, sequence(1)))
	tr.wantCertified(real)
	tr.run(nothing, real.sender(sender.Config{}))
	tr.wantFile()
}

func TestAFloodOfForgedManifestsIsNotVerified(t *testing.T) {
	// "signatures that are verified | 2000 a second ... A manifest may need several.
	// Under a flood of forged ones, some copy of the genuine one gets through"
	// spec.md 7.5
	key, foreign := keys.Generate(), keys.Generate()
	foreign.ID = key.ID
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	good := src.signed(key, sequence(1))
	for _, signatures := range []int{1, 4} {
		forged := src.signedBy(slices.Repeat([]keys.SecretKey{foreign}, signatures), sequence(9))
		rnd := newRand(t)
		const rate, flood = 20, 400 // a second
		verified, genuine := 0, 0
		tr := src.receive(receiver.Config{Trust: trusting(key), SignatureRate: rate})
		for tr.r.Manifest() == nil {
			tr.later(time.Second / flood)
			if rnd.IntN(20) == 0 {
				tr.hear(good, 0)
				genuine++
			} else if tr.hear(forged, 0) == receiver.ReasonSignature {
				verified += signatures
			}
			if tr.now.Sub(epoch) > time.Minute {
				t.Fatal("no genuine manifest got through in a minute")
			}
		}
		took := tr.now.Sub(epoch).Seconds()
		t.Logf("%d signatures verified in %.2f s, the %dth genuine one got through", verified, took, genuine)
		if most := rate*took + rate/10 + float64(signatures); float64(verified) > most {
			t.Errorf("%d signatures were verified in %.2f s, want at most %.0f", verified, took, most)
		}
	}
}

func TestUnsignedManifestsHideNoReport(t *testing.T) {
	// "where signatures count, manifests without a trusted signature are counted
	// apart." Else anybody could hide why a release is not received.
	key := keys.Generate()
	src := newTree(t, "fw", 30*512, small(proto.CodeLeopard8, 10, 10))
	tr := src.receive(receiver.Config{Trust: trusting(key)})
	tr.now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	tr.hearAll(src.shard(0, 0))
	for i := range 1000 {
		tr.wantRefused(receiver.ReasonSignature, forge(t, src.manifest(), func(h *proto.Header, _ []byte) {
			h.Object[0] ^= byte(i)
			h.Object[1] ^= byte(i >> 8)
		}))
	}
	if got := count[receiver.Refused](tr); got < 10 || got > 64 {
		t.Errorf("%d of 1000 unsigned manifests were reported, want up to 64", got)
	}
	tr.events = nil
	tr.wantRefused(receiver.ReasonExpired, src.signed(key, func(m *proto.Manifest) { m.Expires = 1 }))
	tr.wantEvents(receiver.Refused{})
	if want := (receiver.Refused{Object: src.id, Name: "fw", Why: receiver.ReasonExpired}); tr.events[0] != receiver.Event(want) {
		t.Errorf("got %+v, want %+v", tr.events[0], want)
	}
}

func TestManifestsThatNameNoTrustedKeyDelayNone(t *testing.T) {
	// "signatures that name none of its keys need not be verified, and do not
	// count" spec.md 5.5
	key := keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	tr := src.receive(receiver.Config{Trust: trusting(key), SignatureRate: 1})
	foreign := src.signed(keys.Generate(), sequence(9))
	for range 1000 {
		if err := tr.hear(foreign, 0); err != receiver.ReasonSignature {
			t.Fatalf("a manifest of a key that is not trusted: %v", err)
		}
	}
	tr.hearAll(src.signed(key, sequence(1)))
	tr.wantCertified(src)
}

func TestAPinnedFileIsTheOnlyOne(t *testing.T) {
	// "SHA256 is the hash of the only file to receive." "Object is the only
	// object to receive."
	key := keys.Generate()
	a, b := twoSources(t)
	for name, cfg := range map[string]receiver.Config{
		"SHA-256":            {SHA256: b.object.Manifest.Descriptor.SHA256},
		"SHA-256 and trust":  {SHA256: b.object.Manifest.Descriptor.SHA256, Trust: trusting(key)},
		"object and trust":   {Object: b.id, Trust: trusting(key)},
		"object and SHA-256": {Object: b.id, SHA256: b.object.Manifest.Descriptor.SHA256},
	} {
		t.Run(name, func(t *testing.T) {
			tr := b.receive(cfg)
			tr.hear(a.shard(0, 0), 0)
			tr.hear(a.signed(key, sequence(9)), 0)
			tr.wantRefused(receiver.ReasonOtherObject, a.shard(0, 1))
			tr.hearAll(b.signed(key, sequence(1)))
			tr.wantCertified(b)
			tr.run(percent(10, 1), b.sender(sender.Config{}))
			tr.wantFile()
		})
	}
	wrong := a.receive(receiver.Config{Object: a.id, SHA256: b.object.Manifest.Descriptor.SHA256})
	wrong.wantRefused(receiver.ReasonOtherObject, a.manifest())
	if len(wrong.stores) > 0 {
		t.Error("a store was opened")
	}
}

func TestWithoutKeysASignatureMeansNothing(t *testing.T) {
	// "a receiver gives these two and expires no meaning without a valid
	// signature" spec.md 5.2
	key := keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	tr := src.receive(receiver.Config{})
	tr.now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	tr.hearAll(src.signed(key, func(m *proto.Manifest) { m.Expires = 1 }))
	tr.wantCertified(src)
	if signers := tr.events[1].(receiver.Certified).Signers; signers != nil {
		t.Errorf("signed by %v, which nobody verified", signers)
	}
	open := func(proto.ObjectID, proto.Params) (receiver.Store, error) { return pond{}, nil }
	if _, err := receiver.New(receiver.Config{Open: open, Trust: &receiver.Policy{}}); err == nil || errors.Is(err, receiver.ErrIntegrity) {
		t.Errorf("a policy without a key: %v", err)
	}
}
