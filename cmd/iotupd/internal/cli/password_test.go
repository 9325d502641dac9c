// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPasswordFileHoldsOneLine(t *testing.T) {
	longest := strings.Repeat("x", maxPassword)
	path := filepath.Join(t.TempDir(), "pw")
	wantError := func(err error, code int, text string) {
		t.Helper()
		if err == nil || ExitCode(err) != code || !strings.Contains(err.Error(), text) {
			t.Errorf("got error %v with exit code %d, want %q with %d", err, ExitCode(err), text, code)
		}
	}
	put := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for content, want := range map[string]string{
		"pw": "pw", "pw\n": "pw", "pw\r\n": "pw", " p w \n": " p w ", longest: longest, longest + "\r\n": longest,
	} {
		put(content)
		if got, err := readPasswordFile(path); err != nil || string(got) != want {
			t.Errorf("%.20q: got %.20q, %v, want %.20q", content, got, err, want)
		}
	}
	for content, text := range map[string]string{
		"": "no password in it", "\n": "no password in it", "\r\n": "no password in it",
		"two\nlines\n": "in one line", "pw\n\n": "in one line", "p\x00w": "in one line", "p\rw": "in one line",
		longest + "x": "more than 1022 bytes", strings.Repeat("secret", 1000): "more than 1022 bytes",
	} {
		put(content)
		got, err := readPasswordFile(path)
		wantError(err, ExitUsage, path+": ")
		wantError(err, ExitUsage, text)
		if len(got) > 0 || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "two") {
			t.Errorf("%.20q: got %q, %v", content, got, err)
		}
	}
	_, err := readPasswordFile(path + ".missing")
	wantError(err, ExitLocalIO, "pw.missing: ")
}
