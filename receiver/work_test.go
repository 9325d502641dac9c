// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"math/rand/v2"
	"slices"
	"testing"

	"iotupd/proto"
)

func TestALaneIsInTheOrderOfItsTickets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var l lane
		var want []uint32
		for range rnd.IntN(100) {
			if len(want) > 0 && rnd.IntN(3) == 0 {
				slices.Sort(want)
				if got := l.pop(); got.ticket != want[0] || got.group != 7*want[0] {
					t.Fatalf("popped %+v, want ticket %d", got, want[0])
				}
				want = want[1:]
				continue
			}
			ticket := rnd.Uint32N(50)
			l.push(task{ticket, 7 * ticket})
			want = append(want, ticket)
		}
		slices.Sort(want)
		for _, ticket := range want {
			if got := l.pop(); got.ticket != ticket {
				t.Fatalf("popped %+v, want ticket %d", got, ticket)
			}
		}
	}
}

// withTree returns a manifest of an object with a hash tree.
func withTree(geo proto.Geometry) *proto.Manifest {
	return &proto.Manifest{Descriptor: proto.Descriptor{Params: geo.Params, Root: proto.Digest{1}}}
}

// manyGroups is an object with a hash tree and so many groups of two shards, all of
// which are full. Every second one is about to be compared with its leaves.
func manyGroups(t testing.TB, groups int) *object {
	t.Helper()
	p := proto.Params{Code: proto.CodeLeopard8, K: 2, M: 2, ShardSize: 512, Size: uint64(groups * 2 * 512)}
	geo, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	o := newOpenObject(&shared{cfg: Config{}.withDefaults()}, geo, NewMemStore(0), withTree(geo))
	for g := range uint32(groups) {
		grp := o.index.group(g)
		for i := 2; i < 4; i++ {
			grp.park(o.index.freePlace(g), i)
			o.index.addShard(g, i, provisional)
		}
		o.enlist(decodeGroup, g)
		if g%2 == 0 {
			grp.apply(checkWanted)
			o.work.addTask(checkGroup, g)
		}
	}
	return o
}

func TestAGroupThatHadToWaitKeepsItsTurn(t *testing.T) {
	// "A group that waits for its decoding keeps its ticket until it is decoded, so
	// that it does not lose its turn if something else has to be done before."
	o := manyGroups(t, 8)
	turns := func() (turns []uint32) {
		for task, ok := o.nextTask(decodeGroup); ok; task, ok = o.nextTask(decodeGroup) {
			o.work.lanes[decodeGroup].pop()
			turns = append(turns, task.group)
		}
		return turns
	}
	if got, want := turns(), []uint32{1, 3, 5, 7}; !slices.Equal(got, want) {
		t.Errorf("of groups that are not compared %v, want %v", got, want)
	}
	for _, g := range []uint32{6, 2, 0, 4, 3} {
		if g%2 == 0 {
			o.index.groups[g].apply(checkStarted)
			o.index.groups[g].apply(checkDone)
		}
		o.relist(g)
	}
	if got, want := turns(), []uint32{0, 2, 3, 4, 6}; !slices.Equal(got, want) {
		t.Errorf("after the comparison %v, want %v", got, want)
	}
	o.index.drop(0, nil) // forged shards were found in it
	o.relist(0)
	if got := turns(); got != nil {
		t.Errorf("of a group that is not full any more: %v", got)
	}
}

func TestWhatMakesOtherWorkCheaperComesFirst(t *testing.T) {
	o := manyGroups(t, 4)
	for kind := range workKinds {
		if kind != openStore && kind != scanOutline && kind != scanRecord && kind < hashFile && kind != decodeGroup && kind != checkGroup && kind != reencodeGroup {
			o.work.addTask(kind, 0)
		}
	}
	o.index.groups[3].status = status{state: reencoding, verifiedOnly: true}
	o.enlist(reencodeGroup, 3)
	var got []workKind
	for range 5 {
		for kind := range workKinds {
			if _, ok := o.nextTask(kind); ok && o.hasRoom(kind) && kind != scanOutline && kind < hashFile {
				o.work.lanes[kind].pop()
				got = append(got, kind)
				break
			}
		}
	}
	want := []workKind{scanRecords, rebuildRecords, reencodeGroup, decodeGroup, checkGroup}
	if !slices.Equal(got, want) {
		t.Errorf("jobs come in the order %v, want %v", got, want)
	}
}

func TestAScanWaitsForParityThatIsMadeAgain(t *testing.T) {
	// Many groups at a time can wait for their parity: whoever looks for work must
	// not go through all of them each time.
	o := manyGroups(t, 3)
	for g := range uint32(3) {
		grp := &o.index.groups[g]
		grp.status, grp.parked, grp.held = status{state: complete}, nil, 2
		o.index.complete++
		o.invalidate(g)
		o.work.addTask(scanGroup, g)
	}
	if task, ok := o.nextTask(scanGroup); ok {
		t.Errorf("group %d is scanned, which is %v", task.group, o.index.groups[task.group].status)
	}
	if n := len(o.work.lanes[scanGroup]); n > 0 {
		t.Errorf("%d scans will be looked at again", n)
	}
	w := newReencodeWork(o, 1)
	if _, ok := o.nextTask(scanGroup); ok {
		t.Error("a group is scanned while its parity is made")
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	if task, ok := o.nextTask(scanGroup); !ok || task.group != 1 {
		t.Errorf("scan of group %d: %v, want group 1", task.group, ok)
	}
}

func BenchmarkNextTask(b *testing.B) {
	// As many groups as a large file in small groups has, all full at a time, and
	// half of them have to wait.
	const groups = 100_000
	var o *object
	for n := 0; b.Loop(); n++ {
		if n%(groups/2) == 0 {
			b.StopTimer()
			o = manyGroups(b, groups)
			b.StartTimer()
		}
		if _, ok := o.nextTask(decodeGroup); !ok {
			b.Fatal("nothing to do")
		}
		o.work.lanes[decodeGroup].pop()
	}
}
