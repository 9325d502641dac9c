// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// signs signs a content as a release of a component, and returns the file.
func (r *releaser) signs(component, sequence, content string) (file string) {
	r.Helper()
	file = r.path(component + sequence + ".bin")
	write(r.T, file, content)
	r.do("sign", "-q", file, "-s", r.path("key"), "--sequence", sequence, "--component", component)
	return file
}

// sends sends files together.
func (r *releaser) sends(rate string, files ...string) *process {
	r.Helper()
	args := append([]string{"send", "-r", rate}, files...)
	if len(files) == 1 {
		args = append(args, "--manifest", files[0]+".iotupd")
	}
	p := start(r.T, r.port, args...)
	p.wantLine("Ctrl-C stops")
	return p
}

// A device has two products, and a service for each with the records in one directory:
// neither gives its file up for the higher sequence of the other product.
func TestTwoProductsOnOneChannelDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	follow := func(component string) *process {
		return from.recv("--follow", "-v", "--component", component, "--exec", `sh -c 'echo has $IOTUPD_FILE_COMPONENT $IOTUPD_FILE_SEQUENCE'`)
	}
	content := string(randomBytes(100_000))
	first := from.sends("2M", from.signs("boot", "5", content), from.signs("app", "9", content+"app"))
	boot, app := follow("boot"), follow("app")
	boot.wantLine("sh: has boot 5")
	app.wantLine("sh: has app 9")
	app.wantLine("--exec has succeeded")
	first.signal(syscall.SIGINT)
	from.sends("2M", from.signs("app", "10", content+"newer"), from.signs("boot", "6", content+"boot"))
	app.wantLine("sh: has app 10")
	boot.wantLine("sh: has boot 6")
	for _, p := range []*process{boot, app} {
		p.wantLine("--exec has succeeded")
		p.signal(syscall.SIGTERM)
		if lines := strings.Join(p.wantExit(143), "\n"); strings.Contains(lines, "given up") || strings.Contains(lines, "warning") {
			t.Errorf("got lines %q", lines)
		}
	}
}

// A follower that was not given a component keeps to the first one, after a restart too,
// and reports the other one.
func TestAFollowerKeepsToItsComponent(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	dir := t.TempDir()
	follow := func(install string) *process {
		args := []string{"recv", "--follow", "-v", "-o", dir + "/fw", "--trust", from.path("pub"), "--state", from.path("state"), "--exec", "sh -c '" + install + "'"}
		return start(t, from.port, args...)
	}
	content := string(randomBytes(50_000))
	first := from.sends("2M", from.signs("boot", "5", content))
	f := follow("echo has $IOTUPD_FILE_COMPONENT $IOTUPD_FILE_SEQUENCE")
	f.wantLine("sh: has boot 5")
	f.wantLine("--exec has succeeded")
	first.signal(syscall.SIGINT)
	first.wantExit(130)
	app := from.sends("2M", from.signs("app", "9", content+"app"))
	f.wantLine("[other-component]")
	f.signal(syscall.SIGTERM)
	f.wantExit(143)
	again := follow("echo has $IOTUPD_FILE_COMPONENT $IOTUPD_FILE_SEQUENCE")
	again.wantLine("[other-component]") // with nothing but the other one
	app.signal(syscall.SIGINT)
	from.sends("2M", from.signs("app", "10", content+"more"), from.signs("boot", "6", content+"boot"))
	again.wantLine("sh: has boot 6")
	again.wantLine("--exec has succeeded")
	(&delivery{T: t, dir: dir}).wantContent("fw", content+"boot")
}

// Whoever operates a device sees both products, and names the one that is meant.
func TestStatusAndConfirmKnowComponents(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	from.sends("5M", from.signs("boot", "5", "boot"), from.signs("app", "9", "app"))
	for _, component := range []string{"boot", "app"} {
		from.recv("--component", component, "-v", "--confirm", "--exec", "true").wantLine("--exec has succeeded")
	}
	command := func(code int, args ...string) string {
		t.Helper()
		out, err := os.Create(from.path("out"))
		check(t, err)
		defer out.Close()
		p := startCommand(t, t.TempDir(), out, unhurried, append(args, "--state", from.path("state"))...)
		var lines string
		if code == 0 {
			p.wantExitZero()
		} else {
			lines = strings.Join(p.wantExit(code), "\n")
		}
		b, err := os.ReadFile(out.Name())
		check(t, err)
		return lines + string(b)
	}
	waitUntil(t, func() bool { return strings.Count(command(0, "status"), "activated") == 2 })
	if got := command(0, "status", "--json"); strings.Count(got, `"component":"boot"`) != 1 || strings.Count(got, `"component":"app"`) != 1 {
		t.Errorf("got %q", got)
	}
	if got := command(0, "status", "--component", "boot"); !strings.Contains(got, "\n  component  boot\n") || strings.Contains(got, "app") {
		t.Errorf("got %q", got)
	}
	if got := command(3, "confirm"); !strings.Contains(got, "--component: app, boot") {
		t.Errorf("got %q, want both to choose from", got)
	}
	command(0, "confirm", "--component", "boot")
	if got := command(0, "status"); strings.Count(got, "state      confirmed, 1") != 1 || strings.Count(got, " activated,") != 1 {
		t.Errorf("got %q", got)
	}
	command(3, "confirm") // a script for one of them must not confirm the other one
	command(8, "confirm", "--component", "boot2")
	command(0, "confirm", "--component", "app")
	if got := command(0, "status"); strings.Count(got, "state      confirmed, 1") != 2 {
		t.Errorf("got %q", got)
	}
}

// waitUntil looks again until something holds.
func waitUntil(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for too long")
		}
	}
}
