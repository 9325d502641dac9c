// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/recv"
)

// What the unit runs, with the flags that its comment shows, waits for releases,
// and ends as the unit says by the signal that stops it.
func TestTheSystemdUnitRunsAReceiver(t *testing.T) {
	unit, err := os.ReadFile("systemd/iotupd-recv@.service")
	check(t, err)
	known := make(map[string]bool)
	recv.NewCommand().Flags().VisitAll(func(f *pflag.Flag) { known[cli.EnvironmentName(f)] = true })
	r := newReleaser(t)
	t.Setenv("IOTUPD_STATE", r.path("state"))
	here := strings.NewReplacer("/etc/iotupd/release.pub", r.path("pub"), "/var/lib/iotupd/firmware", r.path(""), "rauc install", "true")
	var args []string
	variables := 0
	for line := range strings.Lines(string(unit)) {
		line = strings.TrimPrefix(strings.TrimLeft(strings.TrimSpace(line), "# "), "Environment=")
		name, value, _ := strings.Cut(line, "=")
		switch {
		case known[name]:
			t.Setenv(name, here.Replace(value))
			variables++
		case strings.HasPrefix(name, "IOTUPD_"):
			t.Errorf("%s is not a flag of recv", name)
		case name == "ExecStart":
			args = strings.Fields(value)[1:]
		}
	}
	if variables < 4 || len(args) == 0 {
		t.Fatalf("got %d variables and the arguments %q", variables, args)
	}
	p := start(t, r.port, args...)
	p.wantLine("listening on")
	p.signal(syscall.SIGTERM)
	p.wantExit(143)
	if !strings.Contains(string(unit), "\nSuccessExitStatus=143\n") {
		t.Error("the unit takes that for a failure")
	}
}
