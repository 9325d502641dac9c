// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend && !nobench

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"iotupd/bench/report"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/inspect"
	"iotupd/cmd/iotupd/internal/installing"
	"iotupd/cmd/iotupd/internal/recv"
	"iotupd/cmd/iotupd/internal/send"
	"iotupd/cmd/iotupd/internal/sign"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs")

// eventsOf are the events of single commands, and the events of all commands, in
// the order of docs/json.md.
var eventsOf = []struct {
	command string
	events  map[string]any
}{
	{"recv", recv.Events()}, {"send", send.Events()}, {"inspect", inspect.Events()},
	{"sign", sign.Events()}, {"status", installing.Events()}, {"version", cli.VersionEvents()}, {"every command", cli.Events()},
}

const jsonPage = "../../docs/json.md"

type object = map[string]any

// A schemaMaker makes schemas of Go types, and finds keys with two meanings.
type schemaMaker struct {
	keys  map[string]any             // their schemas
	forms map[string]reflect.Type    // of a key, without pointers
	where map[string]map[string]bool // key, then where it stands
	wrong []string
}

func newSchemaMaker() *schemaMaker {
	return &schemaMaker{keys: make(map[string]any), forms: make(map[string]reflect.Type), where: make(map[string]map[string]bool)}
}

// object describes the fields of a struct that stands in an event.
func (s *schemaMaker) object(t reflect.Type, where string) object {
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		s.key(f, where)
		properties[f.key] = object{"$ref": "#/$defs/key." + f.key}
		if !f.optional {
			required = append(required, f.key)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

// key notes a key, and that it has the same type everywhere.
func (s *schemaMaker) key(f jsonField, where string) {
	about, known := jsonKeys[f.key]
	if !known {
		s.wrong = append(s.wrong, fmt.Sprintf("key %q of %s has no meaning in jsonKeys", f.key, where))
	}
	if s.where[f.key] == nil {
		s.where[f.key] = make(map[string]bool)
	}
	s.where[f.key][where] = true
	schema := s.value(f.Type, f.key)
	if old, again := s.keys[f.key]; again {
		delete(old.(object), "description")
		if !reflect.DeepEqual(old, any(schema)) {
			s.wrong = append(s.wrong, fmt.Sprintf("key %q of %s is %v, and elsewhere %v", f.key, where, schema, old))
		}
	}
	number := strings.Contains(fmt.Sprint(schema), "integer") || strings.Contains(fmt.Sprint(schema), "number")
	if about.unit != "" && about.unit != "base64" && !number {
		s.wrong = append(s.wrong, fmt.Sprintf("key %q has the unit %s and is not a number", f.key, about.unit))
	}
	text := about.text
	if about.unit != "" {
		text += " (" + about.unit + ")"
	}
	schema["description"] = text
	s.keys[f.key] = schema
}

// nullable are keys of bench that are null where they are infinite.
var nullable = []string{"value", "low", "high", "slowest"}

// value describes a value under a key.
func (s *schemaMaker) value(t reflect.Type, key string) object {
	switch t.Kind() {
	case reflect.Pointer:
		return s.value(t.Elem(), key)
	case reflect.Struct:
		return s.object(t, key)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.value(t.Elem(), key)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.value(t.Elem(), key)}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint16, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		if slices.Contains(nullable, key) {
			return object{"type": []any{"number", "null"}}
		}
		return object{"type": "number"}
	}
	panic("no JSON: " + t.String())
}

// A jsonField is a field of a struct as it stands in JSON.
type jsonField struct {
	reflect.StructField
	key      string
	optional bool
}

// fieldsOf returns the fields of a struct, and those of embedded ones, in their order.
func fieldsOf(t reflect.Type) (all []jsonField) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && key == "":
			all = append(all, fieldsOf(f.Type)...)
		case key != "":
			all = append(all, jsonField{f, key, options == "omitempty"})
		}
	}
	return all
}

// schema describes values that a key distinguishes.
func (s *schemaMaker) schema(title, key string, kinds []kind) object {
	definitions, cases := object{}, []any{}
	for _, k := range kinds {
		var forms []any
		for i, form := range k.forms {
			name := "event." + k.name
			if i > 0 {
				name += "." + fmt.Sprint(i+1)
			}
			definitions[name] = s.object(form, k.name)
			forms = append(forms, object{"$ref": "#/$defs/" + name})
		}
		then := any(object{"anyOf": forms})
		if len(forms) == 1 {
			then = forms[0]
		}
		cases = append(cases, object{"if": object{"properties": object{key: object{"const": k.name}}}, "then": then})
	}
	for name, of := range s.keys {
		definitions["key."+name] = of
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title,
		"type": "object", "required": []any{key}, "properties": object{key: object{"type": "string"}},
		"allOf": cases, "$defs": definitions,
	}
}

// A kind is an event, of one form or of one for each of several commands.
type kind struct {
	name  string
	forms []reflect.Type
}

// eventKinds are all events, in the order of docs/json.md.
func eventKinds() (kinds []kind) {
	at := make(map[string]int)
	for _, of := range eventsOf {
		for _, name := range slices.Sorted(maps.Keys(of.events)) {
			form := reflect.TypeOf(of.events[name])
			i, again := at[name]
			if !again {
				i = len(kinds)
				at[name], kinds = i, append(kinds, kind{name: name})
			}
			if !slices.Contains(kinds[i].forms, form) {
				kinds[i].forms = append(kinds[i].forms, form)
			}
		}
	}
	return kinds
}

func benchKinds() (kinds []kind) {
	for _, format := range slices.Sorted(maps.Keys(report.Formats())) {
		kinds = append(kinds, kind{format, []reflect.Type{reflect.TypeOf(report.Formats()[format])}})
	}
	return kinds
}

// schemas returns what docs has, and what is wrong with the events.
func schemas() (events, bench object, all *schemaMaker) {
	all = newSchemaMaker()
	all.schema("", "", append(eventKinds(), benchKinds()...)) // for keys with two meanings
	events = newSchemaMaker().schema("A line of iotupd --json", "type", eventKinds())
	events["required"] = []any{"v", "type"}
	events["properties"].(object)["v"] = object{"const": 2}
	bench = newSchemaMaker().schema("A document of iotupd bench", "format", benchKinds())
	return events, bench, all
}

func TestNoKeyOfJSONHasTwoMeanings(t *testing.T) {
	_, _, all := schemas()
	for _, wrong := range all.wrong {
		t.Error(wrong)
	}
	for key := range jsonKeys {
		if all.where[key] == nil {
			t.Errorf("jsonKeys has %q, which no event has", key)
		}
	}
	texts := make(map[string]string)
	for key, about := range jsonKeys {
		if other, again := texts[about.text]; again {
			t.Errorf("keys %q and %q have one meaning", key, other)
		}
		texts[about.text] = key
	}
}

// The two meanings that version 1 had are noticed.
func TestAKeyWithTwoMeaningsIsNoticed(t *testing.T) {
	type listening struct {
		Groups []string `json:"groups"`
	}
	type progress struct {
		Groups uint64 `json:"groups"`
		New    string `json:"no_such_key"`
	}
	s := newSchemaMaker()
	s.object(reflect.TypeFor[listening](), "listening")
	s.object(reflect.TypeFor[progress](), "progress")
	if got := strings.Join(s.wrong, "\n"); !strings.Contains(got, `key "groups" of progress is`) || !strings.Contains(got, `"no_such_key" of progress has no meaning`) {
		t.Errorf("got %s", got)
	}
}

// Every event that the program prints is in the schema.
func TestEveryEventOfTheSourcesIsInTheSchema(t *testing.T) {
	printed := make(map[string]bool)
	call := regexp.MustCompile(`(?:\.Event|\.Final|eventLine)\("([a-z]+)"`)
	for _, path := range sourcesOf(t, "internal") {
		b, err := os.ReadFile(path)
		check(t, err)
		for _, m := range call.FindAllSubmatch(b, -1) {
			printed[string(m[1])] = true
		}
	}
	declared := make(map[string]bool)
	for _, k := range eventKinds() {
		declared[k.name] = true
		if eventTimes[k.name] == "" {
			t.Errorf("eventTimes does not say when %s comes", k.name)
		}
	}
	if !maps.Equal(printed, declared) {
		t.Errorf("the program prints %q, the schema has %q", slices.Sorted(maps.Keys(printed)), slices.Sorted(maps.Keys(declared)))
	}
}

// TestSchemaFilesMatchTheProgram compares docs with the Go types; -update
// rewrites docs.
func TestSchemaFilesMatchTheProgram(t *testing.T) {
	events, bench, all := schemas()
	for path, schema := range map[string]object{eventsSchema: events, benchSchema: bench} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		check(t, e.Encode(schema))
		generated(t, path, b.String())
	}
	page, err := os.ReadFile(jsonPage)
	check(t, err)
	text := betweenMarks(t, string(page), "events", eventTable())
	text = betweenMarks(t, text, "keys", keyTable(all, eventKinds()))
	generated(t, jsonPage, betweenMarks(t, text, "bench", keyTable(all, benchKinds())))
}

// generated compares a file with what it is to be, or writes it with -update.
func generated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		check(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the program says, %v: run make docs", path, err)
	}
}

// betweenMarks replaces the text between two comments of a page.
func betweenMarks(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := "<!-- "+name+": made by make docs -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the page has no place for %s", name)
	}
	return before + begin + text + end + after
}

// eventTable lists the events of every command, with their keys.
func eventTable() string {
	var b strings.Builder
	for _, of := range eventsOf {
		fmt.Fprintf(&b, "\n### %s\n\n| event | when | keys |\n|---|---|---|\n", of.command)
		for _, name := range slices.SortedFunc(maps.Keys(of.events), byOrder) {
			var keys []string
			for _, f := range fieldsOf(reflect.TypeOf(of.events[name])) {
				key := "`" + f.key + "`"
				if f.optional {
					key += "?"
				}
				keys = append(keys, key)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, eventTimes[name], strings.Join(keys, " "))
		}
	}
	return b.String() + "\n"
}

// inOrder are events in the order in which they come.
var inOrder = []string{
	"listening", "found", "object", "resumed", "inventory", "layers", "plan", "waiting", "sending", "interface", "progress", "paused", "continued",
	"collected", "unpacking", "done", "listed", "totals", "file", "failed", "finished", "exec", "stopped", "heard", "entry", "content", "listened", "manifest", "partial", "signed", "installation", "unfinished", "version", "warn", "error", "gap",
}

func byOrder(a, b string) int { return slices.Index(inOrder, a) - slices.Index(inOrder, b) }

// keyTable lists the keys of some kinds, with type, unit and meaning.
func keyTable(all *schemaMaker, kinds []kind) string {
	some := newSchemaMaker()
	for _, k := range kinds {
		for _, form := range k.forms {
			some.object(form, k.name)
		}
	}
	var b strings.Builder
	b.WriteString("\n| key | type | unit | meaning |\n|---|---|---|---|\n")
	for _, key := range slices.Sorted(maps.Keys(some.keys)) {
		about := jsonKeys[key]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", key, typeText(all.keys[key].(object)), about.unit, strings.ReplaceAll(about.text, "|", `\|`))
	}
	return b.String() + "\n"
}

// typeText is the type of a value for people.
func typeText(schema object) string {
	switch {
	case schema["items"] != nil:
		return "list of " + typeText(schema["items"].(object))
	case schema["additionalProperties"] != nil:
		return "object: any key, " + typeText(schema["additionalProperties"].(object))
	case schema["properties"] != nil:
		return "object: `" + strings.Join(slices.Sorted(maps.Keys(schema["properties"].(object))), "` `") + "`"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(schema["type"]), " ", " or "), "[]")
}

// sourcesOf returns the paths of the files below a folder that are not tests.
func sourcesOf(t *testing.T, folder string) (paths []string) {
	t.Helper()
	check(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}
