// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

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
