// SPDX-License-Identifier: GPL-2.0-or-later

package printable

import "testing"

func TestWhatDoesNotPrintIsReplaced(t *testing.T) {
	for _, test := range []struct{ in, text, lines string }{
		{"fw 1.0 é 日本", "fw 1.0 é 日本", "fw 1.0 é 日本"},
		{"a\x1b[2Jb\x7f\x00", "a\ufffd[2Jb\ufffd\ufffd", "a\ufffd[2Jb\ufffd\ufffd"},
		{"\u0080\u009b\u200b\u202e\u2028\ufeff", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"},
		{"a\xffb", "a\ufffdb", "a\ufffdb"},
		{"a\n\tb\r", "a\ufffd\ufffdb\ufffd", "a\n\tb\ufffd"},
	} {
		if got := Text(test.in); got != test.text {
			t.Errorf("Text(%q): got %q, want %q", test.in, got, test.text)
		}
		if got := Lines(test.in); got != test.lines {
			t.Errorf("Lines(%q): got %q, want %q", test.in, got, test.lines)
		}
	}
}
