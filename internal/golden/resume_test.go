// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"bytes"
	"errors"
	"io"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

var senderDefaults = sender.Config{}

// A killed scene is a transfer that is killed several times, each time with
// damage to the bytes on disk, and then completed.
type killed struct {
	lossy
	after  []int // packets sent in each life before the last one
	damage func(s *scene, b []byte) []byte
	graced bool // stopped, not killed: what was gathered is written
}

func (k killed) play(s *scene) {
	src := s.source(k.size, k.params, k.digests)
	s.lazy, s.beside = k.lazy, k.beside
	if k.attack != nil {
		s.attack = k.attack(s, src).forgeries
	}
	var found *memStore
	for life := 0; ; life++ {
		s.resume(k.cfg, found, nil)
		s.carousels = nil
		w := way{}
		if len(k.ways) > 0 {
			w = k.ways[0]
		}
		s.listen(src, sender.Config{Start: 1234 * life}, w)
		if life == len(k.after) {
			break
		}
		s.run(k.after[life])
		if k.graced {
			s.later(time.Second)
		}
		s.end()
		if len(s.stores) > 0 { // else no manifest came before the kill
			found = s.store().again()
			if k.damage != nil {
				found.bytes = k.damage(s, found.bytes)
				found.found = int64(len(found.bytes))
			}
		}
		s.stores = nil
		s.trace.at(s.now, "killed")
	}
	s.run(enough)
	s.wantFile(src)
}

func flippedBits(s *scene, b []byte) []byte {
	for range 40 {
		b[s.dice.below(len(b))] ^= 1 << s.dice.below(8)
	}
	return b
}

func zeroedRange(s *scene, b []byte) []byte {
	from := s.dice.below(len(b))
	clear(b[from:min(len(b), from+len(b)/4)])
	return b
}

func cutOff(s *scene, b []byte) []byte { return b[:len(b)-len(b)/3] }

func copied(s *scene, b []byte) []byte {
	copy(b[len(b)/2:], b[:len(b)/3])
	return b
}

func garbage(s *scene, b []byte) []byte {
	for i := range b {
		if i/4096%3 == 0 {
			b[i] = byte(s.dice.Uint64())
		}
	}
	return b
}

// lostRecords clears the records of the first 10 of 19 groups, which lie group by
// group behind the file.
func lostRecords(_ *scene, b []byte) []byte {
	const behind = 600_000/512*512 + 512
	for at := behind; at < len(b); at += 512 {
		if (at-behind)/512%19 < 10 {
			clear(b[at:min(at+512, len(b))])
		}
	}
	return b
}

var lossyWay = []way{{loss: "bernoulli:20%"}}

var resumeScenes = []namedScene{
	{"stopped", killed{lossy: lossy{size: 200_000, params: params(gf8, 40, 40), digests: true, ways: lossyWay}, after: []int{250}, graced: true}.play},
	{"killed", killed{lossy: lossy{size: 200_000, params: params(gf8, 40, 40), digests: true, ways: lossyWay}, after: []int{300}}.play},
	{"flipped bits", killed{lossy: lossy{size: 200_000, params: params(gf8, 40, 40), digests: true, ways: lossyWay}, after: []int{200, 150}, damage: flippedBits}.play},
	{"zeroed range", killed{lossy: lossy{size: 200_000, params: params(gf8, 30, 60), digests: true, ways: lossyWay}, after: []int{150, 220, 80}, damage: zeroedRange}.play},
	{"cut off", killed{lossy: lossy{size: 200_000, params: params(gf8, 40, 40), digests: true, ways: lossyWay}, after: []int{333}, damage: cutOff}.play},
	{"copied range", killed{lossy: lossy{size: 200_000, params: params(gf8, 40, 40), digests: true, ways: lossyWay}, after: []int{400, 40}, damage: copied}.play},
	{"garbage", killed{lossy: lossy{size: 150_000, params: params(gf16, 100, 200), digests: true, ways: lossyWay}, after: []int{250, 60}, damage: garbage}.play},
	{"without digests nothing is resumed", killed{lossy: lossy{size: 100_000, params: params(gf8, 40, 40), ways: lossyWay}, after: []int{180}}.play},
	{"jobs beside, flipped bits", killed{lossy: lossy{size: 200_000, params: params(gf8, 20, 60), digests: true, ways: lossyWay, beside: true,
		cfg: receiver.Config{Workers: 3}}, after: []int{260, 200}, damage: flippedBits}.play},
	{"with an attacker, zeroed range", killed{lossy: lossy{size: 200_000, params: params(gf8, 40, 60), digests: true, ways: lossyWay,
		cfg: notReencoded, attack: forger(attacker{data: 15, parity: 15, digests: 15, outlines: 15})}, after: []int{260, 200}, damage: zeroedRange}.play},
	{"jobs that wait long, many outlines", killed{lossy: lossy{size: 600_000, params: params(gf8, 64, 64), digests: true, ways: lossyWay, lazy: 2,
		attack: forger(attacker{genuine: 30, outlines: 5})}, after: []int{700, 300}, damage: lostRecords}.play},
	{"jobs beside that wait long, many outlines", killed{lossy: lossy{size: 600_000, params: params(gf8, 64, 64), digests: true, ways: lossyWay, lazy: 4, beside: true,
		cfg: receiver.Config{Workers: 2}, attack: forger(attacker{genuine: 30, outlines: 5})}, after: []int{700, 300}, damage: lostRecords}.play},
	{"a complete file", killed{lossy: lossy{size: 150_000, params: params(gf8, 40, 40), digests: true}, after: []int{100_000}}.play},
	{"a complete file whose records are gone", killed{lossy: lossy{size: 150_000, params: params(gf8, 40, 40), digests: true}, after: []int{100_000},
		damage: func(_ *scene, b []byte) []byte { return b[:150_000] }}.play},
	{"the store fails", storeFails},
}

// storeFails ends with a full disk.
func storeFails(s *scene) {
	src := s.source(100_000, params(gf8, 30, 30), withDigests)
	s.receive(receiver.Config{Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
		store := newMemStore(s.ops, int(p.Size))
		store.fail = func(op string, end int64) error {
			if op == "write" && end > 70_000 && end <= 100_000 {
				return errors.New("disk full")
			}
			return nil
		}
		s.stores = append(s.stores, store)
		return store, nil
	}})
	s.listen(src, senderDefaults, way{})
	s.run(enough)
	s.wantError()
}

// reused is a transfer with seeds.
func reused(loss string, late int, seeds func(s *scene, file []byte) []io.ReaderAt, after ...int) func(*scene) {
	return func(s *scene) {
		src := s.source(250_000, params(gf8, 50, 50), withDigests)
		var found *memStore
		for life := 0; ; life++ {
			s.resume(receiver.Config{Seeds: seeds(s, src.file)}, found, nil)
			s.carousels = nil
			s.listen(src, senderDefaults, way{loss: loss, late: late})
			if life == len(after) {
				break
			}
			s.run(after[life])
			s.end()
			if len(s.stores) > 0 { // else no manifest came before the kill
				found = s.store().again()
			}
			s.stores = nil
			s.trace.at(s.now, "killed")
		}
		s.run(enough)
		s.wantFile(src)
	}
}

// olderFile is a file of which one of so many shards is different.
func olderFile(s *scene, file []byte, every int) io.ReaderAt {
	older := bytes.Clone(file)
	for at := s.dice.below(every * 512); at < len(older); at += every*512 + s.dice.below(999) {
		older[at] ^= 0xff
	}
	return bytes.NewReader(older)
}

// unreadable is a seed that cannot be read.
type unreadable struct{}

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errors.New("cannot be read") }

var reuseScenes = []namedScene{
	{"the same file", reused("bernoulli:10%", 0, func(_ *scene, file []byte) []io.ReaderAt {
		return []io.ReaderAt{bytes.NewReader(file)}
	})},
	{"an older file", reused("bernoulli:10%", 0, func(s *scene, file []byte) []io.ReaderAt {
		return []io.ReaderAt{olderFile(s, file, 20)}
	})},
	{"several older files, one of them unreadable, joined late", reused("gilbert:20%,burst=10", 350, func(s *scene, file []byte) []io.ReaderAt {
		return []io.ReaderAt{unreadable{}, olderFile(s, file[:180_000], 3), olderFile(s, file, 4)}
	})},
	{"an older file, killed twice", reused("bernoulli:20%", 60, func(s *scene, file []byte) []io.ReaderAt {
		return []io.ReaderAt{olderFile(s, file, 5)}
	}, 40, 90)},
	{"a file that has nothing of it", reused("bernoulli:10%", 0, func(s *scene, file []byte) []io.ReaderAt {
		return []io.ReaderAt{bytes.NewReader(randomFile(999, len(file)))}
	})},
}
