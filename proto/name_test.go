// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"strings"
	"testing"
)

func TestNameVectors(t *testing.T) {
	forEachVector(t, "name.txt", func(t *testing.T, v vector) {
		for _, digits := range v.all("accept") {
			if err := CheckName(string(unhex(t, digits))); err != nil {
				t.Error(err)
			}
		}
		for _, digits := range v.all("refuse") {
			if name := string(unhex(t, digits)); CheckName(name) == nil {
				t.Errorf("%q was accepted", name)
			}
		}
	})
}

func TestNameErrorIsSafeToPrint(t *testing.T) {
	for _, name := range []string{"", "a/\x1b[2J", "\u202egpj.exe", strings.Repeat("x", 201), "\xff", "-", "a."} {
		err := CheckName(name)
		if err == nil {
			t.Fatalf("%q was accepted", name)
		}
		if strings.ContainsFunc(err.Error(), unprintable) {
			t.Errorf("not printable: %q", err)
		}
	}
}
