// SPDX-License-Identifier: GPL-2.0-or-later

// Package jsonschema checks JSON values against a JSON Schema (draft 2020-12). It knows
// the keywords that the schemas in docs use, and refuses others.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// A Schema is a parsed JSON Schema.
type Schema struct{ root map[string]any }

// keywords are checked; those with false only describe.
var keywords = map[string]bool{
	"$ref": true, "type": true, "const": true, "minimum": true, "properties": true, "required": true,
	"additionalProperties": true, "items": true, "anyOf": true, "allOf": true, "if": true, "then": true,
	"$schema": false, "$defs": false, "title": false, "description": false, "contentEncoding": false,
}

// Parse reads a schema.
func Parse(b []byte) (*Schema, error) {
	s := &Schema{}
	if err := json.Unmarshal(b, &s.root); err != nil {
		return nil, fmt.Errorf("jsonschema: %w", err)
	}
	return s, nil
}

// Check returns what is wrong with a value that encoding/json has decoded, and the paths
// of keys that the schema does not describe, which is not an error.
func (s *Schema) Check(value any) (wrong, unknown []string) {
	c := checker{schema: s, seen: make(map[string]bool)}
	c.check(s.root, value, "")
	return c.wrong, slices.Sorted(maps.Keys(c.unseen(value, "", map[string]bool{})))
}

// CheckAll checks values that follow each other, such as JSON lines. It calls report
// for each that is wrong or has keys that the schema does not describe, and returns
// how many values there were.
func (s *Schema) CheckAll(r io.Reader, report func(value json.RawMessage, wrong, unknown []string)) (n int, err error) {
	d := json.NewDecoder(r)
	for ; ; n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, fmt.Errorf("jsonschema: value %d: %w", n+1, err)
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return n, fmt.Errorf("jsonschema: value %d: %w", n+1, err)
		}
		if wrong, unknown := s.Check(value); len(wrong)+len(unknown) > 0 {
			report(bytes.TrimSpace(raw), wrong, unknown)
		}
	}
}

// A checker checks one value. Paths of keys begin with a slash.
type checker struct {
	schema *Schema
	wrong  []string
	seen   map[string]bool // paths of keys that the schema describes
}

func (c *checker) fail(path, format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf("%s: %s", "$"+path, fmt.Sprintf(format, args...)))
}

// try checks value without keeping what is wrong.
func (c *checker) try(schema, value any, path string) bool {
	t := checker{schema: c.schema, seen: make(map[string]bool)}
	t.check(schema, value, path)
	if len(t.wrong) > 0 {
		return false
	}
	maps.Copy(c.seen, t.seen)
	return true
}

func (c *checker) check(schema, value any, path string) {
	s, ok := schema.(map[string]any)
	if !ok {
		c.fail(path, "the schema is not an object here")
		return
	}
	for word := range s {
		if _, known := keywords[word]; !known {
			c.fail(path, "the schema has the keyword %q, which this program does not know", word)
		}
	}
	if ref, ok := s["$ref"].(string); ok {
		c.check(c.schema.find(ref), value, path)
	}
	for _, part := range list(s["allOf"]) {
		c.check(part, value, path)
	}
	if any := list(s["anyOf"]); any != nil && !slices.ContainsFunc(any, func(part interface{}) bool { return c.try(part, value, path) }) {
		c.fail(path, "fits none of %d forms; the first: %s", len(any), c.first(any[0], value, path))
	}
	if condition, ok := s["if"]; ok && s["then"] != nil && c.try(condition, value, path) {
		c.check(s["then"], value, path)
	}
	c.checkValue(s, value, path)
	if object, ok := value.(map[string]any); ok {
		c.checkObject(s, object, path)
	}
	if array, ok := value.([]any); ok && s["items"] != nil {
		for i, item := range array {
			c.check(s["items"], item, fmt.Sprintf("%s/%d", path, i))
		}
	}
}

// first is what is wrong with value as one form, in short.
func (c *checker) first(schema, value any, path string) string {
	t := checker{schema: c.schema, seen: make(map[string]bool)}
	t.check(schema, value, path)
	return strings.Join(t.wrong, "; ")
}

func (c *checker) checkValue(s map[string]any, value any, path string) {
	if want, ok := s["type"]; ok {
		types := list(want)
		if types == nil {
			types = []any{want}
		}
		if !slices.ContainsFunc(types, func(t any) bool { return isType(value, t) }) {
			c.fail(path, "is %.60s, want the type %v", text(value), want)
		}
	}
	if want, ok := s["const"]; ok && value != want {
		c.fail(path, "is %.60s, want %s", text(value), text(want))
	}
	if least, ok := s["minimum"].(float64); ok {
		if n, ok := value.(float64); ok && n < least {
			c.fail(path, "is %v, want at least %v", n, least)
		}
	}
}

func (c *checker) checkObject(s, object map[string]any, path string) {
	for _, key := range list(s["required"]) {
		if _, ok := object[key.(string)]; !ok {
			c.fail(path, "the key %q is missing", key)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		of, ok := properties[key]
		if !ok {
			of, ok = s["additionalProperties"]
		}
		if ok {
			c.seen[path+"/"+key] = true
			c.check(of, object[key], path+"/"+key)
		}
	}
}

// unseen adds the keys of value that the schema does not describe.
func (c *checker) unseen(value any, path string, to map[string]bool) map[string]bool {
	switch v := value.(type) {
	case map[string]any:
		for key, of := range v {
			if at := path + "/" + key; !c.seen[at] {
				to["$"+at] = true
			} else {
				c.unseen(of, at, to)
			}
		}
	case []any:
		for i, item := range v {
			c.unseen(item, fmt.Sprintf("%s/%d", path, i), to)
		}
	}
	return to
}

// find returns the definition that a reference names, nil if there is none.
func (s *Schema) find(ref string) any {
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	definitions, _ := s.root["$defs"].(map[string]any)
	if !ok {
		return nil
	}
	return definitions[name]
}

func isType(value, name any) bool {
	n, number := value.(float64)
	switch name {
	case "null":
		return value == nil
	case "number":
		return number
	case "integer":
		return number && n == math.Trunc(n)
	case "object":
		_, ok := value.(map[string]any)
		return ok
	case "array":
		_, ok := value.([]any)
		return ok
	case "string":
		_, ok := value.(string)
		return ok
	case "boolean":
		_, ok := value.(bool)
		return ok
	}
	return false
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(v any) string {
	b, _ := json.Marshal(v) // decoded from JSON
	return string(b)
}
