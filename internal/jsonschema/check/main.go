// SPDX-License-Identifier: GPL-2.0-or-later

// Command check reads JSON values from stdin, such as the lines of iotupd --json, and
// checks each against a schema:
//
//	iotupd recv -o fw.bin --json | go run ./internal/jsonschema/check docs/events.schema.json
//
// It prints what is wrong, and ends with exit code 1 if anything is. Keys that the schema
// does not describe are noted: readers have to ignore them.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"iotupd/internal/jsonschema"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check SCHEMA < VALUES")
		os.Exit(3)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

// run checks what it reads against the schema in a file.
func run(schema string, r io.Reader, w io.Writer) error {
	b, err := os.ReadFile(schema)
	if err != nil {
		return err
	}
	s, err := jsonschema.Parse(b)
	if err != nil {
		return err
	}
	invalid := 0
	n, err := s.CheckAll(r, func(value json.RawMessage, wrong, unknown []string) {
		fmt.Fprintf(w, "%s\n", value)
		for _, text := range wrong {
			fmt.Fprintln(w, "  wrong:", text)
		}
		for _, key := range unknown {
			fmt.Fprintln(w, "  note: the schema does not describe", key)
		}
		if len(wrong) > 0 {
			invalid++
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d values, %d do not fit the schema\n", n, invalid)
	if invalid > 0 || n == 0 {
		return fmt.Errorf("%d of %d values do not fit %s", invalid, n, schema)
	}
	return nil
}
