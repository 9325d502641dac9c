// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A delivery is a directory that a receiver writes to.
type delivery struct {
	*testing.T
	dir string
}

func (d *delivery) wantFiles(names ...string) {
	d.Helper()
	entries, err := os.ReadDir(d.dir)
	check(d.T, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		d.Errorf("got files %q, want %q", got, names)
	}
}

func (d *delivery) wantContent(name, want string) {
	d.Helper()
	got, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil || string(got) != want {
		d.Errorf("%s: got %q, %v, want %q", name, got, err, want)
	}
}
