// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
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
		got, err := splitWords(test.command)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, %v, want %q", test.command, got, err, test.want)
		}
	}
	for _, open := range []string{`"`, `'`, `a "b`, `"\"`} {
		if got, err := splitWords(open); err == nil {
			t.Errorf("%s: got %q, want that the quote has no end", open, got)
		}
	}
}

func TestTheHookLearnsAboutTheFile(t *testing.T) {
	t.Setenv("IOTUPD_RATE", "5M")
	m := &proto.Manifest{Metadata: []byte("{}")}
	done := doneEvent{
		Object: "0123", Name: "fw.bin", Path: "/fw/fw.bin", Bytes: 7, SHA256: "4567",
		Version: "1.0\n\x1b[2J\x00é", Verified: true, SignedBy: "89ab", Sequence: 42,
	}
	env := hookEnvironment(done, m, "chan\rnel")
	want := []string{
		"IOTUPD_FILE=/fw/fw.bin", "IOTUPD_FILE_NAME=fw.bin", "IOTUPD_FILE_SIZE=7", "IOTUPD_FILE_SHA256=4567", "IOTUPD_FILE_VERSION=1.0[2Jé",
		"IOTUPD_FILE_SEQUENCE=42", "IOTUPD_FILE_CHANNEL=channel", "IOTUPD_FILE_OBJECT=0123", "IOTUPD_FILE_SIGNED_BY=89ab", "IOTUPD_FILE_VERIFIED=true",
		"IOTUPD_FILE_METADATA=e30=",
	}
	var got []string
	for _, v := range env {
		if strings.HasPrefix(v, "IOTUPD_") {
			got = append(got, v)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
		t.Error("the rest of the environment is gone")
	}

	done.SignedBy, done.Verified = "", false
	env = hookEnvironment(done, m, "")
	if !slices.Contains(env, "IOTUPD_FILE_SEQUENCE=") || !slices.Contains(env, "IOTUPD_FILE_VERIFIED=false") {
		t.Errorf("got %q, want that what is not signed has no sequence", env)
	}
}

// A hook may run this program, with flags of its own.
func TestWhatTheHookLearnsIsNoFlagOfThisProgram(t *testing.T) {
	variables := make(map[string]bool)
	for _, cmd := range newRootCommand().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { variables[cli.EnvironmentName(f)] = true })
	}
	for _, v := range hookEnvironment(doneEvent{SignedBy: "89ab"}, &proto.Manifest{}, "iotupd") {
		if name, _, _ := strings.Cut(v, "="); variables[name] {
			t.Errorf("%s sets a flag", v)
		}
	}
}

func TestWhatAHookPrintsIsShownLineByLine(t *testing.T) {
	s := newScreen(t, cli.OutputOptions{Progress: "none"})
	l := &lines{print: s.Output, name: "rauc"}
	for _, piece := range []string{"inst", "alling\n\n  50%\x1b[2K\xff\n", "last"} {
		l.Write([]byte(piece))
	}
	l.end()
	l.end()
	s.want("", "rauc: installing\nrauc: 50%\uFFFD[2K\uFFFD\nrauc: last\n")
	l.Write(make([]byte, 3*maxHookLine+1))
	if lines := strings.Count(s.stderr.String(), "\n"); lines != 3 || l.last == "" {
		t.Errorf("got %d lines of what has none, want 3", lines)
	}
}
