// SPDX-License-Identifier: GPL-2.0-or-later

package orders

import (
	"testing"

	"iotupd/proto"
)

func TestEveryOrderVisitsEveryShardEquallyOften(t *testing.T) {
	geo, err := proto.Params{Code: proto.CodeLeopard8, K: 5, M: 3, ShardSize: 256, Size: 7 * 5 * 256}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Order{PlainRows(), GroupByGroup(), DataThenParity(), Windows(3), Windows(100), Permuted(), Repeated(3)} {
		times := 1
		if o.kind == repeated {
			times = 3
		}
		walk := o.Sender()(proto.ObjectID{7}, geo)
		for lap := range uint64(2) {
			visited := make(map[[2]int]int)
			for pos := range walk.Len() {
				group, row := walk.At(pos, lap)
				visited[[2]int{int(group), row}]++
			}
			if len(visited) != 7*8 {
				t.Errorf("%v: %d shards in loop %d, want all %d", o, len(visited), lap, 7*8)
			}
			for shard, n := range visited {
				if n != times {
					t.Errorf("%v: row %d of group %d comes %d times in loop %d, want %d", o, shard[1], shard[0], n, lap, times)
				}
			}
		}
	}
	if RotatedRows().Sender() != nil {
		t.Error("the order of spec.md is not the sender's own")
	}
}

func TestPermutationsDifferFromLoopToLoop(t *testing.T) {
	geo, err := proto.Params{Code: proto.CodeLeopard8, K: 50, M: 50, ShardSize: 256, Size: 3 * 50 * 256}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	walk := Permuted().Sender()(proto.ObjectID{7}, geo)
	same := 0
	for pos := range walk.Len() {
		group, row := walk.At(pos, 0)
		againGroup, againRow := walk.At(pos, 1)
		if group == againGroup && row == againRow {
			same++
		}
	}
	if same > 10 {
		t.Errorf("%d of %d positions have the same shard in both loops", same, walk.Len())
	}
}
