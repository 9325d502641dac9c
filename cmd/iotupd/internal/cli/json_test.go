// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"iotupd/internal/printable"
)

type inner struct {
	Name  string  `json:"name"`
	Ratio float64 `json:"ratio,omitempty"`
}

type Embedded struct {
	Object string `json:"object"`
	Empty  string `json:"empty,omitempty"`
}

type word string

// everything has what events are made of.
type everything struct {
	Embedded
	*inner
	Int     int               `json:"int"`
	Small   int64             `json:"small,omitempty"`
	Port    uint16            `json:"port"`
	Count   uint64            `json:"count,omitempty"`
	Float   float64           `json:"float"`
	Yes     bool              `json:"yes"`
	No      bool              `json:"no,omitempty"`
	Texts   []string          `json:"texts"`
	None    []string          `json:"none,omitempty"`
	Bytes   []byte            `json:"bytes"`
	Structs []inner           `json:"structs"`
	Counts  map[string]uint64 `json:"counts"`
	Words   map[word]inner    `json:"words,omitempty"`
	Pointer *inner            `json:"pointer,omitempty"`
	Null    *inner            `json:"null"`
	Any     any               `json:"any"`
	Struct  inner             `json:"struct,omitempty"`
	own     int               // not an event's
}

// What does not print is not in JSON, not even escaped: somebody may decode it
// and print it. A path must still lead to the file.
func TestWhatDoesNotPrintIsNotInJSON(t *testing.T) {
	const evil = "a\u0080\u009b\u007f\u200b\u202e\ufeff\U000e0001\x1bb\n"
	type event struct {
		Text  string            `json:"text"`
		Texts []string          `json:"texts"`
		Count map[string]uint64 `json:"count"`
		Notes Lines             `json:"notes"`
		Path  Path              `json:"path"`
	}
	got := string(appendJSON(nil, reflect.ValueOf(event{evil, []string{evil}, map[string]uint64{evil: 1}, evil, evil})))
	const replaced = "a\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdb"
	const escaped = `a\u0080\u009b\u007f\u200b\u202e\ufeff\udb40\udc01\u001bb\n`
	want := `{"text":"` + replaced + "\ufffd" + `","texts":["` + replaced + "\ufffd" + `"],"count":{"` + escaped + `":1},"notes":"` +
		replaced + `\n","path":"` + escaped + `"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var back event
	if err := json.Unmarshal([]byte(got), &back); err != nil || back.Path != evil {
		t.Errorf("got %q, %v", back.Path, err)
	}
}

// sameAsTheLibrary compares the JSON of a value with that of encoding/json.
func sameAsTheLibrary(t *testing.T, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got := appendJSON(nil, reflect.ValueOf(v)); string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEventsAreJSONAsTheLibraryHasIt(t *testing.T) {
	sameAsTheLibrary(t, struct{}{})
	sameAsTheLibrary(t, everything{})
	sameAsTheLibrary(t, everything{
		Embedded: Embedded{"0bd3", ""}, inner: &inner{"n", 0.5}, Int: -7, Small: math.MinInt64, Port: 65535, Count: math.MaxUint64,
		Float: 1e300, Yes: true, Texts: []string{}, Bytes: []byte("\x00\xff?>"), Structs: []inner{{"a", 1}, {}},
		Counts: map[string]uint64{"b": 2, "a": 1, "": 3}, Words: map[word]inner{"z": {}, "y": {"w", 3}}, Pointer: &inner{}, Any: []string{"x"}, own: 1,
	})
}

func TestTextsAndNumbersAreJSONAsTheLibraryHasIt(t *testing.T) {
	for r := rune(0); r < 0x3000; r++ {
		if printable.Is(r) {
			sameAsTheLibrary(t, "a"+string(r)+"b")
		}
	}
	for _, s := range []string{"\U0001f600", "\ufffd", "</script>&\"\\"} {
		sameAsTheLibrary(t, s)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		if f := math.Float64frombits(rnd.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			sameAsTheLibrary(t, f)
		}
		sameAsTheLibrary(t, math.Pow(10, rnd.Float64()*60-30))
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1e-6, 9.99e-7, 1e21, 1e20, 1e-10, 5e-324, -1e-9, 123.456} {
		sameAsTheLibrary(t, f)
	}
}
