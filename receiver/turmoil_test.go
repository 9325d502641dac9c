// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// flaky is a store one of whose calls fails.
type flaky struct {
	*receiver.MemStore
	calls atomic.Int64
	fails int64 // number of the call; zero: none does
}

func (f *flaky) ReadAt(b []byte, off int64) (int, error) {
	if f.calls.Add(1) == f.fails {
		return 0, errDisk
	}
	return f.MemStore.ReadAt(b, off)
}

func (f *flaky) WriteAt(b []byte, off int64) (int, error) {
	if f.calls.Add(1) == f.fails {
		return 0, errDisk
	}
	return f.MemStore.WriteAt(b, off)
}

// turmoil is all that can happen to a receiver at a time: releases follow each
// other, objects contradict themselves or have no hash tree, packets are forged,
// also in what they say of the object, jobs come back late, the disk has something
// damaged or fails.
type turmoil struct {
	*transfer
	rnd       *rand.Rand
	key       keys.SecretKey
	releases  []*source
	carousels []*sender.Sender
	attackers []*attacker
}

func newTurmoil(t *testing.T, rnd *rand.Rand, key keys.SecretKey) *turmoil {
	m := &turmoil{rnd: rnd, key: key}
	for range 1 + rnd.IntN(3) {
		src := randomTree(t, rnd)
		a := &attacker{rnd: rnd, src: src, data: rnd.IntN(60), parity: rnd.IntN(60), digests: rnd.IntN(101)}
		switch {
		case rnd.IntN(4) == 0:
			src = newSource(t, "", len(src.file), src.geo.Params)
			a = &attacker{rnd: rnd, src: src, data: rnd.IntN(60), parity: rnd.IntN(60)}
		case src.tree.Groups == 1 && len(src.file) == src.geo.K*src.geo.ShardSize:
			src = lie(t, src)
		}
		m.releases, m.attackers = append(m.releases, src), append(m.attackers, a)
		m.carousels = append(m.carousels, src.sender(sender.Config{Rate: -1, Start: rnd.IntN(10000)}))
	}
	return m
}

// start starts a receiver that finds what an earlier one left, if that is not nil.
func (m *turmoil) start(left *receiver.MemStore) {
	rnd := m.rnd
	cfg := receiver.Config{Workers: 1 + rnd.IntN(4), LeafMemory: 1 + rnd.IntN(2000), Memory: 1 + rnd.IntN(30_000)}
	if rnd.IntN(2) > 0 {
		cfg.Trust = trusting(m.key)
	}
	if rnd.IntN(2) > 0 {
		cfg.Seeds = readers(m.releases[0].file[:rnd.IntN(len(m.releases[0].file))])
	}
	fails := rnd.IntN(4) == 0
	cfg.Open = func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
		store := &flaky{MemStore: receiver.NewMemStore(int(p.Size))}
		if left != nil {
			store.MemStore = left.AgainFor(int(p.Size))
			damage(rnd, store.MemStore)
		}
		if fails {
			store.fails = 1 + rnd.Int64N(300)
		}
		m.stores = append(m.stores, store.MemStore)
		return store, nil
	}
	m.transfer = m.releases[0].receive(cfg)
	m.beside = rnd
}

// packets returns what is sent next.
func (m *turmoil) packets() (all [][]byte) {
	i := m.rnd.IntN(len(m.releases))
	src := m.releases[i]
	all = append(m.attackers[i].forgeries(), m.next(m.carousels[i]))
	if m.rnd.IntN(20) == 0 {
		all = append(all, src.signed(m.key, sequence(m.rnd.Uint64N(4))))
	}
	if m.rnd.IntN(20) == 0 {
		all = append(all, raw(all[len(all)-1], func(b []byte) { b[m.rnd.IntN(proto.HeaderLen)] ^= 1 << m.rnd.IntN(8) }))
	}
	if m.rnd.IntN(50) == 0 {
		all = append(all, forge(m.t, src.shard(0, 0), func(h *proto.Header, _ []byte) { h.K, h.M, h.Size = 1+m.rnd.IntN(9), 1, 1+m.rnd.Uint64N(9000) }))
	}
	return all
}

func TestNothingThatHappensIsImpossible(t *testing.T) {
	// "Everything else is an internal error." No packet leads to one, whatever else
	// happens, and what is verified is one of the files.
	rnd, key := newRand(t), keys.Generate()
	seen, done := map[string]bool{}, 0
	for range 60 {
		m := newTurmoil(t, rnd, key)
		var left *receiver.MemStore
		for range 2 {
			m.start(left)
			for range 1 + rnd.IntN(300) {
				for _, b := range m.packets() {
					m.hear(b, rnd.IntN(2))
					if err := receiver.CheckGroups(m.r, seen); err != nil {
						t.Fatal(err)
					}
				}
				if rnd.IntN(5) == 0 {
					m.later(time.Duration(rnd.IntN(500)) * time.Millisecond)
				}
			}
			for len(m.running) > 0 {
				m.workBeside()
			}
			if m.r.Done() && m.r.Err() == nil {
				done++
				if !slices.ContainsFunc(m.releases, func(s *source) bool { return bytes.Equal(s.file, m.store().Bytes()) }) {
					t.Fatal("what was verified is not one of the files")
				}
			}
			if err := m.r.Err(); err != nil && !errors.Is(err, errDisk) && !errors.Is(err, receiver.ErrIntegrity) {
				t.Error(err)
			}
			if len(m.stores) > 0 {
				left = m.killed()
			}
		}
	}
	t.Logf("%d of 120 were received, with %d kinds of groups", done, len(seen))
}
