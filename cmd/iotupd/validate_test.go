// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"iotupd/internal/jsonschema"
)

// Schemas that docs has. Scripts run in other directories.
var eventsSchema, benchSchema = docsPath("events.schema.json"), docsPath("bench.schema.json")

func docsPath(name string) string {
	path, _ := filepath.Abs("../../docs/" + name) // reading it fails, then
	return path
}

var schemaOfEvents = sync.OnceValue(func() *jsonschema.Schema { return readSchema(eventsSchema) })

func readSchema(path string) *jsonschema.Schema {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	s, err := jsonschema.Parse(b)
	if err != nil {
		panic(err)
	}
	return s
}

// validate returns what is wrong with JSON values, such as lines.
func validate(schema *jsonschema.Schema, out []byte) (failed error) {
	_, err := schema.CheckAll(bytes.NewReader(out), func(value json.RawMessage, wrong, unknown []string) {
		for _, key := range unknown {
			wrong = append(wrong, "the schema does not describe "+key)
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %s", value, strings.Join(wrong, "; ")))
	})
	return errors.Join(failed, err)
}
