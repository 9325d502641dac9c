// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A vector is one block of a file in testdata; testdata/README.md has the
// format. A name that is not there reads as the empty string.
type vector struct {
	t      *testing.T
	fields map[string][]string
}

func (v vector) all(name string) []string { return v.fields[name] }

func (v vector) text(name string) string {
	if all := v.fields[name]; len(all) > 0 {
		return all[0]
	}
	return ""
}

func (v vector) hex(name string) []byte { return unhex(v.t, v.text(name)) }

// num reads a number, which must be there.
func (v vector) num(name string) uint64 {
	v.t.Helper()
	n, err := strconv.ParseUint(v.text(name), 10, 64)
	if err != nil {
		v.t.Fatalf("%s: %v", name, err)
	}
	return n
}

func (v vector) params() Params {
	v.t.Helper()
	return Params{
		Code:      Code(v.num("code")),
		K:         int(v.num("k")),
		M:         int(v.num("m")),
		ShardSize: int(v.num("s")),
		Size:      v.num("size"),
	}
}

// unhex reads hexadecimal digits, between which spaces mean nothing.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

// forEachVector runs test on every block of a file, as a subtest that is named
// by the line that the block starts at.
func forEachVector(t *testing.T, file string, test func(t *testing.T, v vector)) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	fields, start, last := map[string][]string{}, 0, ""
	for i, line := range append(strings.Split(string(text), "\n"), "") {
		switch {
		case line == "" && len(fields) > 0:
			block := fields
			t.Run(fmt.Sprintf("%s:%d", file, start), func(t *testing.T) { test(t, vector{t, block}) })
			fields, last = map[string][]string{}, ""
		case line == "" || line[0] == '#':
		case line[0] == ' ' && last != "":
			values := fields[last]
			values[len(values)-1] += line
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				t.Fatalf("%s:%d: not a name and a value: %q", file, i+1, line)
			}
			if len(fields) == 0 {
				start = i + 1
			}
			fields[name] = append(fields[name], strings.TrimPrefix(value, " "))
			last = name
		}
	}
}
