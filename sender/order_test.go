// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"iotupd/proto"
)

// rotationVectors reads the blocks of testdata/rotation.txt. The format is that
// of proto/testdata/README.md.
func rotationVectors(t *testing.T) (blocks []map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/rotation.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(strings.ReplaceAll(string(text), "\n ", " "), "\n\n") {
		fields := make(map[string]string)
		for line := range strings.Lines(block) {
			if name, value, ok := strings.Cut(line, ":"); ok && line[0] != '#' {
				fields[name] = strings.TrimSpace(value)
			}
		}
		if len(fields) > 0 {
			blocks = append(blocks, fields)
		}
	}
	return blocks
}

func number(t *testing.T, s string, base int) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, base, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRotationVectors(t *testing.T) {
	hashes, loops := 0, 0
	for _, v := range rotationVectors(t) {
		object, err := proto.ParseObjectID(v["object"])
		if err != nil {
			t.Fatal(err)
		}
		if v["loop"] != "" {
			loops++
			checkLoopVector(t, object, v)
			continue
		}
		hashes++
		row, groups := number(t, v["row"], 10), number(t, v["groups"], 10)
		if got, want := Rotation(object, uint32(row)), number(t, v["hash"], 16); got != want {
			t.Errorf("%v row %d: hash %016x, want %016x", object, row, got, want)
		}
		o := order{object: object, groups: groups, rows: row + 1}
		group, gotRow := o.at(row * groups)
		if want := number(t, v["first"], 10); uint64(group) != want || uint64(gotRow) != row {
			t.Errorf("%v row %d starts at group %d of row %d, want %d", object, row, group, gotRow, want)
		}
	}
	if hashes == 0 || loops == 0 {
		t.Errorf("%d hashes and %d loops in the file", hashes, loops)
	}
}

func checkLoopVector(t *testing.T, object proto.ObjectID, v map[string]string) {
	t.Helper()
	geo, err := proto.Params{
		Code:      proto.CodeLeopard8,
		K:         int(number(t, v["k"], 10)),
		M:         int(number(t, v["m"], 10)),
		ShardSize: int(number(t, v["s"], 10)),
		Size:      number(t, v["size"], 10),
	}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	o := newOrder(nil, object, geo)
	for pos := range o.loop() {
		group, row := o.at(pos)
		got = append(got, fmt.Sprintf("%d.%d", group, row))
	}
	if want := strings.Fields(v["loop"]); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("loop\n %v, want\n %v", got, want)
	}
}

func TestALoopHasEveryShardOnceAndRowsInOrder(t *testing.T) {
	// "A loop is row 0 of all groups, then row 1 of all groups, and so on ..." spec.md 6.1
	for _, groups := range []uint64{1, 2, 7, 64} {
		o := order{object: proto.ObjectID{7}, groups: groups, rows: 12}
		seen := make(map[[2]int]bool)
		for pos := range o.loop() {
			group, row := o.at(pos)
			if want := int(pos / groups); row != want {
				t.Fatalf("%d groups: position %d is in row %d, want %d", groups, pos, row, want)
			}
			seen[[2]int{int(group), row}] = true
		}
		if got, want := len(seen), int(o.loop()); got != want {
			t.Errorf("%d groups: %d shards in a loop, want %d", groups, got, want)
		}
	}
}

func TestRowsStartAtDifferentGroups(t *testing.T) {
	// "If every row started at group 0, a loss with a period that shares a factor
	// with G would hit the same groups in every row ..." spec.md 6.1
	o := order{object: proto.ObjectID{7}, groups: 20, rows: 400}
	lost := make(map[uint32]int)
	for pos := uint64(0); pos < o.loop(); pos += 20 {
		group, _ := o.at(pos)
		lost[group]++
	}
	for group := range uint32(20) {
		if n := lost[group]; n == 0 || n > 60 {
			t.Errorf("group %d loses %d of 400 shards, want about 20", group, n)
		}
	}
}

func TestOrderForgetsNothingWhenItJumps(t *testing.T) {
	o := order{object: proto.ObjectID{7}, groups: 5, rows: 9}
	want := make([]uint32, o.loop())
	for pos := range want {
		want[pos], _ = o.at(uint64(pos))
	}
	for _, pos := range []uint64{44, 0, 20, 19, 43, 1} {
		if got, _ := o.at(pos); got != want[pos] {
			t.Errorf("position %d is group %d after a jump, want %d", pos, got, want[pos])
		}
	}
}
