// SPDX-License-Identifier: GPL-2.0-or-later

package jsonschema

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const example = `{
	"type": "object", "required": ["type"],
	"properties": {"type": {"type": "string"}},
	"allOf": [
		{"if": {"properties": {"type": {"const": "found"}}}, "then": {"$ref": "#/$defs/found"}},
		{"if": {"properties": {"type": {"const": "progress"}}}, "then": {"anyOf": [{"$ref": "#/$defs/found"}, {"$ref": "#/$defs/sent"}]}}
	],
	"$defs": {
		"found": {"required": ["size"], "properties": {
			"size": {"type": "integer", "minimum": 0},
			"parts": {"type": "array", "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": ["number", "null"]}}}},
			"counts": {"type": "object", "additionalProperties": {"type": "integer"}},
			"ok": {"type": "boolean"}
		}},
		"sent": {"required": ["loop"], "properties": {"loop": {"type": "integer"}}}
	}
}`

func TestValuesAreCheckedAgainstTheSchema(t *testing.T) {
	s, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string][2]string{ // what is wrong, and what is unknown
		`{"type":"found","size":7,"parts":[{"n":0.5},{"n":null}],"counts":{"a":1},"ok":true}`: {},
		`{"type":"later","anything":{"x":1}}`:                                                 {"", "$/anything"},
		`{"type":"found","size":7,"more":1}`:                                                  {"", "$/more"},
		`{"type":"found","size":7,"parts":[{"n":1,"m":2}]}`:                                   {"", "$/parts/0/m"},
		`{"type":"found"}`:                               {`$: the key "size" is missing`, ""},
		`{"type":"found","size":1.5}`:                    {`$/size: is 1.5, want the type integer`, ""},
		`{"type":"found","size":-1}`:                     {`$/size: is -1, want at least 0`, ""},
		`{"type":"found","size":"7"}`:                    {`$/size: is "7", want the type integer`, ""},
		`{"type":"found","size":1,"counts":{"a":"b"}}`:   {`$/counts/a: is "b", want the type integer`, ""},
		`{"type":"found","size":1,"parts":[{"n":1},{}]}`: {`$/parts/1: the key "n" is missing`, ""},
		`{"type":"found","size":1,"parts":null}`:         {`$/parts: is null, want the type array`, ""},
		`{"type":"found","size":1,"ok":0}`:               {`$/ok: is 0, want the type boolean`, ""},
		`{"type":"progress","loop":1}`:                   {},
		`{"type":"progress","size":1}`:                   {},
		`{"type":"progress","size":1,"loop":1}`:          {"", "$/loop"},
		`{"type":"progress"}`:                            {`$: fits none of 2 forms; the first: $: the key "size" is missing`, ""},
		`[]`:                                             {`$: is [], want the type object`, ""},
	} {
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			t.Fatal(err)
		}
		wrong, unknown := s.Check(v)
		if strings.Join(wrong, "; ") != want[0] || strings.Join(unknown, "; ") != want[1] {
			t.Errorf("%s: got %q, %q, want %q", value, wrong, unknown, want)
		}
	}
}

func TestASchemaThatIsNotUnderstoodFitsNothing(t *testing.T) {
	for schema, want := range map[string]string{
		`{"pattern":"x"}`:        `the keyword "pattern"`,
		`{"$ref":"#/$defs/x"}`:   "the schema is not an object",
		`{"$ref":"other.json#"}`: "the schema is not an object",
		`{"type":"text"}`:        "want the type text",
	} {
		s, err := Parse([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		if wrong, _ := s.Check("x"); !strings.Contains(strings.Join(wrong, "; "), want) {
			t.Errorf("%s: got %q, want %q", schema, wrong, want)
		}
	}
	if _, err := Parse([]byte(`[]`)); err == nil {
		t.Error("a list is not a schema")
	}
}

func TestAStreamIsCheckedValueByValue(t *testing.T) {
	s, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	report := func(value json.RawMessage, wrong, unknown []string) {
		got = append(got, string(value)+" "+strings.Join(slices.Concat(wrong, unknown), "; "))
	}
	n, err := s.CheckAll(strings.NewReader("{\"type\":\"found\"}\n{\"type\":\"x\"}\n{\"type\":\"x\",\"y\":1}\n"), report)
	want := []string{`{"type":"found"} $: the key "size" is missing`, `{"type":"x","y":1} $/y`}
	if n != 3 || err != nil || !slices.Equal(got, want) {
		t.Errorf("got %d, %v, %q", n, err, got)
	}
	if _, err := s.CheckAll(strings.NewReader("{\"type\":\"x\"}\n{"), report); err == nil {
		t.Error("a value that is cut off was accepted")
	}
}
