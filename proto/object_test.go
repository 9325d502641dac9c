// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestObjectVectors(t *testing.T) {
	forEachVector(t, "object.txt", func(t *testing.T, v vector) {
		want := Descriptor{
			Params: v.params(),
			SHA256: [32]byte(v.hex("sha256")),
			Root:   Digest(v.hex("root")),
		}
		enc := append([]byte("foo"), v.hex("descriptor")...)
		if got := want.AppendTo([]byte("foo")); !bytes.Equal(got, enc) {
			t.Errorf("got %x, want %x", got, enc)
		}
		if got, err := ParseDescriptor(enc[3:]); got != want || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if got, want := want.Object().String(), v.text("object"); got != want {
			t.Errorf("object %s, want %s", got, want)
		}
	})
}

func TestParseDescriptorRefuses(t *testing.T) {
	valid := Descriptor{Params: exampleHeader().Params}.AppendTo(nil)
	if _, err := ParseDescriptor(valid); err != nil {
		t.Fatal(err)
	}
	for n := range valid {
		if _, err := ParseDescriptor(valid[:n]); err == nil {
			t.Errorf("%d bytes of %d were accepted", n, len(valid))
		}
	}
	if _, err := ParseDescriptor(append(valid, 0)); err == nil {
		t.Error("one byte too many was accepted")
	}
	for name, offset := range map[string]int{"suite": 1, "shard size": 3} {
		b := bytes.Clone(valid)
		b[offset]++
		if _, err := ParseDescriptor(b); err == nil {
			t.Errorf("another %s was accepted", name)
		}
	}
	b := bytes.Clone(valid)
	b[0] = 9
	if _, err := ParseDescriptor(b); !errors.Is(err, ErrParams) {
		t.Errorf("unknown code: got %v, want %v", err, ErrParams)
	}
}

func TestEveryFieldChangesTheObject(t *testing.T) {
	seen := map[ObjectID]int{}
	d := Descriptor{Params: exampleHeader().Params}
	add := func() {
		if i, ok := seen[d.Object()]; ok {
			t.Errorf("descriptors %d and %d have the same object id", i, len(seen))
		}
		seen[d.Object()] = len(seen)
	}
	add()
	d.Code++
	add()
	d.K++
	add()
	d.M++
	add()
	d.ShardSize += ShardUnit
	add()
	d.Size++
	add()
	d.SHA256[31]++
	add()
	d.Root[15]++
	add()
}

func TestObjectIDText(t *testing.T) {
	const text = "000102030405060708090a0b0c0d0eff"
	id, err := ParseObjectID(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := id.String(); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	if got, want := id.Short(), "00010203"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, err := ParseObjectID(strings.ToUpper(text)); got != id || err != nil {
		t.Errorf("upper case: got %v, %v", got, err)
	}
	for _, s := range []string{"", "00", text[:30], text[:31], text + "0", text + "00", text[:31] + "g", " " + text[1:]} {
		if id, err := ParseObjectID(s); err == nil || id != (ObjectID{}) {
			t.Errorf("ParseObjectID(%q) = %v, %v", s, id, err)
		}
	}
}
