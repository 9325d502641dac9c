// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAPasswordFileHoldsOneLine(t *testing.T) {
	longest := strings.Repeat("x", maxPassword)
	d := &delivery{T: t}
	path := filepath.Join(t.TempDir(), "pw")
	for content, want := range map[string]string{
		"pw": "pw", "pw\n": "pw", "pw\r\n": "pw", " p w \n": " p w ", longest: longest, longest + "\r\n": longest,
	} {
		write(t, path, content)
		if got, err := readPasswordFile(path); err != nil || string(got) != want {
			t.Errorf("%.20q: got %.20q, %v, want %.20q", content, got, err, want)
		}
	}
	for content, text := range map[string]string{
		"": "no password in it", "\n": "no password in it", "\r\n": "no password in it",
		"two\nlines\n": "in one line", "pw\n\n": "in one line", "p\x00w": "in one line", "p\rw": "in one line",
		longest + "x": "more than 1022 bytes", strings.Repeat("secret", 1000): "more than 1022 bytes",
	} {
		write(t, path, content)
		got, err := readPasswordFile(path)
		d.wantError(err, exitUsage, path+": ")
		d.wantError(err, exitUsage, text)
		if len(got) > 0 || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "two") {
			t.Errorf("%.20q: got %q, %v", content, got, err)
		}
	}
	_, err := readPasswordFile(path + ".missing")
	d.wantError(err, exitLocalIO, "pw.missing: ")
}
