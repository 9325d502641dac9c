// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"iotupd/bench"
)

func TestResultsOfTheFirstVersionAreRead(t *testing.T) {
	for name, want := range map[string]bench.Result{"net": oneNet(), "layers": layers()} {
		in, err := os.ReadFile("testdata/" + name + "-v1.json")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadJSON(bytes.NewReader(in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// Some lists are empty, and not nil, once they were read.
		if a, b := asJSON(t, got), asJSON(t, want); !bytes.Equal(a, b) || !reflect.DeepEqual(got.Rows[0].Times, want.Rows[0].Times) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, a, b)
		}
	}
	if ok, err := ours(dirWith(t, "run.json", `{"format":"iotupd bench run 1"}`)); !ok || err != nil {
		t.Errorf("the directory of a run of the first version: got %v, %v", ok, err)
	}
}

func asJSON(t *testing.T, r bench.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func dirWith(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
