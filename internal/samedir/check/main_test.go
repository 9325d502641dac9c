// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestTheExitCodeSaysWhetherDirectoriesAreTheSame(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(b, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want int
		out  string
	}{
		"same":              {[]string{a, a}, 0, "0 entries, 0 differences\n"},
		"different":         {[]string{"-ignore", "time,nanoseconds", a, b}, 1, "\"new\": exists: no, yes\n0 entries, 1 differences\n"},
		"ignored":           {[]string{"-ignore", "exists,time,nanoseconds", a, b}, 0, "0 entries, 0 differences\n"},
		"unknown attribute": {[]string{"-ignore", "tim", a, b}, 3, ""},
		"missing":           {[]string{a, filepath.Join(b, "missing")}, 3, ""},
		"one directory":     {[]string{a}, 3, ""},
	} {
		var out bytes.Buffer
		if got := run(c.args, &out, io.Discard); got != c.want || out.String() != c.out {
			t.Errorf("%s: exit code %d, want %d: %s", name, got, c.want, &out)
		}
	}
}
