// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"testing"
)

// A recordingStore is a MemStore that remembers where the writes were.
type recordingStore struct {
	*MemStore
	at [][2]int64 // offset and length
}

func (s *recordingStore) WriteAt(b []byte, offset int64) (int, error) {
	s.at = append(s.at, [2]int64{offset, int64(len(b))})
	return s.MemStore.WriteAt(b, offset)
}

// run does what a job would do.
func (q *writeQueue) run(t *testing.T) {
	t.Helper()
	if len(q.queued) == 0 {
		return
	}
	for _, b := range q.takeQueued() {
		if err := b.write(q.store); err != nil {
			t.Fatal(err)
		}
	}
	q.done()
}

func TestTheQueueWritesWhatWasPutInItsOrder(t *testing.T) {
	// "A job writes it, one batch after the other, in the order in which they
	// were queued." "A reader of bytes that went through the queue ... has to
	// wait until it is written"
	const shard, shards = 600, 700
	rnd := aRand(t)
	for range 30 {
		store := NewMemStore(3 * shards * shard)
		q := writeQueue{store: store}
		want := store.All()
		numbers := map[int]uint32{} // of the batch with the latest bytes, by place
		next := [regions]int{}
		for range 3000 {
			r := region(rnd.IntN(int(regions)))
			if rnd.IntN(10) == 0 {
				next[r] = rnd.IntN(shards)
			}
			place := int(r)*shards + next[r]
			next[r] = (next[r] + 1) % shards
			if from := int(r)*shards + rnd.IntN(shards); rnd.IntN(8) == 0 {
				numbers[place] = q.move(r, int64(place*shard), int64(from*shard), shard)
				copy(want[place*shard:][:shard], want[from*shard:][:shard])
			} else {
				b := bytes.Repeat([]byte{byte(rnd.Uint32())}, shard)
				numbers[place] = q.put(r, int64(place*shard), b)
				copy(want[place*shard:], b)
			}
			if rnd.IntN(20) == 0 {
				q.run(t)
			}
			if rnd.IntN(50) > 0 {
				continue
			}
			if n := numbers[place]; !q.settle(n) {
				q.run(t)
				if !q.settle(n) {
					t.Fatal("what was queued is not written")
				}
			}
			if got := store.All()[place*shard:][:shard]; !bytes.Equal(got, want[place*shard:][:shard]) {
				t.Fatalf("place %d is settled and has something else", place)
			}
		}
		q.flush(q.last)
		q.run(t)
		if !q.settle(q.last) || !bytes.Equal(store.All(), want) {
			t.Fatal("not all is written")
		}
	}
}

func TestALongRunWritesNoBlockTwice(t *testing.T) {
	// "A long run of bytes ends at a multiple of it, so that no block is written twice."
	const shard = 1152
	store := &recordingStore{MemStore: NewMemStore(4 << 20)}
	q := writeQueue{store: store}
	for i := range (3 << 20) / shard {
		q.put(fileRegion, int64(i*shard), make([]byte, shard))
		q.put(recordRegion, 3<<20+int64(i)*16, make([]byte, 16)) // arrives between
		q.run(t)
	}
	q.flush(q.last)
	q.run(t)
	end := int64(0)
	for _, w := range store.at {
		if w[0] >= 3<<20 {
			continue
		}
		if w[0]%blockSize != 0 || w[0] != end {
			t.Errorf("a write of %d bytes at %d, after one that ended at %d", w[1], w[0], end)
		}
		end = w[0] + w[1]
	}
	if most := 3<<20/(batchBytes-blockSize) + 2; len(store.at) > 2*most {
		t.Errorf("%d writes, want %d at most", len(store.at), 2*most)
	}
}

func TestTheQueueIsBusyWhenItsMemoryIsUsed(t *testing.T) {
	const most = 8
	q := writeQueue{store: NewMemStore(1 << 20), most: most}
	n := 0
	for ; !q.busy(); n++ {
		if n > 2*most*batchBytes/4096 {
			t.Fatal("it takes whatever comes")
		}
		q.put(fileRegion, int64(n%100)*2*4096, make([]byte, 4096))
	}
	if n < most*batchBytes/4096 {
		t.Errorf("busy with %d bytes", n*4096)
	}
	q.run(t)
	if q.busy() {
		t.Error("busy with nothing")
	}
}

func TestTheQueueUsesItsBuffersAgain(t *testing.T) {
	q := writeQueue{store: NewMemStore(1 << 20)}
	shard := make([]byte, 1024)
	fill := func() {
		for i := range 2 * batchBytes / len(shard) {
			q.put(fileRegion, int64(i*len(shard)), shard)
		}
		q.flush(q.last)
		q.run(t)
	}
	fill()
	if got := testing.AllocsPerRun(20, fill); got > 0 {
		t.Errorf("%v allocations in two batches", got)
	}
}
