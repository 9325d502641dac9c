// SPDX-License-Identifier: GPL-2.0-or-later

package hook

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	tests := []struct {
		command string
		want    []string
	}{
		{"", nil},
		{"  \t ", nil},
		{"rauc install {}", []string{"rauc", "install", "{}"}},
		{"  a\tb\n c  ", []string{"a", "b", "c"}},
		{`sh -c 'echo "$1" \ {}'`, []string{"sh", "-c", `echo "$1" \ {}`}},
		{`"two words" one\ word`, []string{"two words", "one word"}},
		{`a"b c"'d e'f`, []string{"ab cd ef"}},
		{`"" ''`, []string{"", ""}},
		{`\"quoted\" \'so\'`, []string{`"quoted"`, "'so'"}},
		{`"a \" b \\ c \n d"`, []string{`a " b \ c \n d`}},
		{`C:\iotupd\install.exe \\server`, []string{`C:\iotupd\install.exe`, `\server`}},
		{"naïve 日本", []string{"naïve", "日本"}},
		{`end\`, []string{`end\`}},
	}
	for _, test := range tests {
		got, err := SplitWords(test.command)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, %v, want %q", test.command, got, err, test.want)
		}
	}
	for _, open := range []string{`"`, `'`, `a "b`, `"\"`} {
		if got, err := SplitWords(open); err == nil {
			t.Errorf("%s: got %q, want that the quote has no end", open, got)
		}
	}
}

func TestWhatACommandPrintsIsCutIntoLines(t *testing.T) {
	var got []string
	l := &lines{print: func(line string) { got = append(got, line) }}
	for _, piece := range []string{"inst", "alling\n\n  50%\x1b[2K\xff\n", "last"} {
		l.Write([]byte(piece))
	}
	l.end()
	l.end()
	if want := []string{"installing", "50%\uFFFD[2K\uFFFD", "last"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got = nil
	l.Write(make([]byte, 3*maxLine+1))
	if len(got) != 3 || l.last == "" {
		t.Errorf("got %d lines of an output without line ends, want 3", len(got))
	}
}
