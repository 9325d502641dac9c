// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix && !nosend && !nobench

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"iotupd/internal/jsonschema"
)

// A validator checks all that commands print, and notes which events came.
type validator struct {
	*testing.T
	schema *jsonschema.Schema
	dir    string
	port   string
	seen   map[string]bool
}

func (v *validator) path(name string) string { return filepath.Join(v.dir, name) }

// check wants lines of JSON that fit the schema, without a key that it lacks.
func (v *validator) check(out []byte) {
	v.Helper()
	check(v.T, validate(v.schema, out))
	for line := range bytes.Lines(out) {
		var e struct{ Type string }
		check(v.T, json.Unmarshal(line, &e))
		v.seen[e.Type] = true
	}
}

// command returns a process that listens and sends on the loopback interface.
func (v *validator) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	check(v.T, err)
	c := exec.CommandContext(v.Context(), self, args...)
	c.Dir = v.dir
	c.Env = append(os.Environ(), asCommand+"="+unhurried, "IOTUPD_INTERFACE="+loopback(), "IOTUPD_PORT="+v.port, "IOTUPD_STATE="+v.path("state"))
	return c
}

// run runs a command with --json to its end, and checks what it prints.
func (v *validator) run(code int, args ...string) []byte {
	v.Helper()
	c := v.command(append(args, "--json")...)
	out, err := c.Output()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != code {
		v.Fatalf("%q: got %v, want exit code %d: %s", args, err, code, out)
	}
	v.check(out)
	return out
}

// send starts a sender. What it returns stops it, if it has not ended, and checks what
// it printed.
func (v *validator) send(args ...string) (stop func()) {
	v.Helper()
	c := v.command(append([]string{"send", "--json", "--stats", "20ms"}, args...)...)
	var out bytes.Buffer
	c.Stdout = &out
	check(v.T, c.Start())
	return func() {
		c.Process.Signal(syscall.SIGINT)
		c.Wait()
		v.check(out.Bytes())
	}
}

// elsewhere are events that other tests see: layers in testdata, gap in package cli, and
// the others, for which it takes several interfaces, in internal/e2e.
var elsewhere = []string{"gap", "interface", "layers", "paused", "continued", "waiting"}

// TestEveryLineOfRealCommandsFitsTheSchema runs all commands that have --json.
func TestEveryLineOfRealCommandsFitsTheSchema(t *testing.T) {
	t.Parallel()
	port, release, err := reservePort()
	check(t, err)
	defer release()
	v := &validator{T: t, schema: schemaOfEvents(), dir: t.TempDir(), port: strconv.Itoa(int(port)), seen: make(map[string]bool)}
	write(t, v.path("fw.bin"), string(randomBytes(300_000)))
	check(t, os.Mkdir(v.path("out"), 0o777))

	check(t, v.command("keygen", "-q").Run())
	v.run(0, "version")
	v.run(0, "sign", "fw.bin", "--sequence", "7", "--parity", "20%", "--version", "1.2", "--notes", "better", "--target", "board", "--expires", "720h")
	v.run(0, "inspect", "fw.bin.iotupd", "--trust", "iotupd.pub")
	v.run(0, "send", "-n", "fw.bin", "--manifest", "fw.bin.iotupd")
	v.run(0, "sign", "--set", "-o", "all.set", "--sequence", "8", "fw.bin")
	v.run(0, "inspect", "all.set.iotupd", "--trust", "iotupd.pub")
	v.run(0, "send", "-n", "--set", "all.set", "fw.bin")
	v.run(4, "recv", "-n", "--timeout", "1ms")
	v.run(4, "inspect", "--for", "1ms")
	v.leavePartial()
	v.run(0, "status", "-d", "out")
	check(t, v.command("keygen", "-q", "--group", "group.key").Run())
	check(t, os.Chmod(v.path("group.key"), 0o644))
	v.run(0, "send", "-n", "fw.bin", "-k", "group.key") // warns

	stop := v.send("fw.bin", "--manifest", "fw.bin.iotupd", "-r", "5M")
	signed := []string{"recv", "-o", "out/fw.bin", "--trust", "iotupd.pub", "--target", "board", "--stats", "20ms", "--exec", "true"}
	v.run(0, signed...) // resumes
	v.run(0, signed...) // has it already
	v.run(0, "status")
	v.run(0, "recv", "-n", "--drop", "bernoulli:10%", "--stats", "20ms")
	for listen := time.Second; !v.seen["heard"]; listen *= 2 {
		v.run(0, "inspect", "--trust", "iotupd.pub", "--for", listen.String())
	}
	stop()
	v.several()
	v.directory()

	for _, k := range eventKinds() {
		if !v.seen[k.name] && !slices.Contains(elsewhere, k.name) {
			t.Errorf("no event %s came", k.name)
		}
	}
	v.bench()
}

// several lists and receives the files of a set.
func (v *validator) several() {
	v.Helper()
	names := []string{"a.bin", "b.bin", "c.bin"}
	for i, name := range names {
		write(v.T, v.path(name), string(randomBytes(100_000+i)))
	}
	v.run(0, append([]string{"sign", "--set", "-o", "three.set", "--sequence", "9"}, names...)...)
	stop := v.send(append([]string{"--set", "three.set", "-r", "5M"}, names...)...)
	defer stop()
	v.run(3, "recv", "-d", "out") // no file was chosen
	check(v.T, os.Mkdir(v.path("all"), 0o777))
	check(v.T, os.Mkdir(v.path("all/b.bin"), 0o777)) // in the way
	if out := v.run(11, "recv", "--all", "-d", "all", "--trust", "iotupd.pub", "--stats", "20ms"); !bytes.Contains(out, []byte(`"file-failed"`)) {
		v.Errorf("no warning about b.bin: %s", out)
	}
	for listen := 2 * time.Second; !v.seen["entry"]; listen *= 2 {
		v.run(0, "inspect", "--for", listen.String())
	}
}

// directory receives a directory, and lists it.
func (v *validator) directory() {
	v.Helper()
	check(v.T, os.Mkdir(v.path("maps"), 0o777))
	write(v.T, v.path("maps/a.bin"), string(randomBytes(100_000)))
	check(v.T, os.Mkdir(v.path("place"), 0o777))
	defer v.send("maps", "-r", "5M")()
	v.run(0, "recv", "-d", "place")
	for listen := 2 * time.Second; !v.seen["content"]; listen *= 2 {
		v.run(0, "inspect", "--files", "--for", listen.String())
	}
}

// leavePartial receives a part of the file, and inspects it.
func (v *validator) leavePartial() {
	v.Helper()
	c := v.command("recv", "-o", "out/fw.bin", "--trust", "iotupd.pub", "--target", "board", "--drop", "bernoulli:60%", "--stall", "1s", "--json")
	stdout, err := c.StdoutPipe()
	check(v.T, err)
	check(v.T, c.Start())
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadBytes('\n') // it listens
	check(v.T, err)
	v.run(0, "send", "fw.bin", "--manifest", "fw.bin.iotupd", "--loops", "1", "-r", "5M")
	rest, err := io.ReadAll(lines)
	check(v.T, err)
	if c.Wait(); c.ProcessState.ExitCode() != 5 {
		v.Fatalf("got %v, want exit code 5: %s%s", c.ProcessState, first, rest)
	}
	v.check(append(first, rest...))
	v.run(0, "inspect", "out/.fw.bin.iotupd-part")
}

// bench checks the documents of bench.
func (v *validator) bench() {
	v.Helper()
	schema := readSchema(benchSchema)
	small := []string{"bench", "--size", "50K", "--receivers", "3", "--loss", "bernoulli:10%", "-q"}
	out, err := v.command(append(small, "--format", "json")...).Output()
	check(v.T, errors.Join(err, validate(schema, out)))
	out, err = v.command("bench", "--experiment", "pollution", "--size", "50K", "--receivers", "2", "--loss", "bernoulli:5%", "-q", "--format", "json").Output()
	check(v.T, errors.Join(err, validate(schema, out)))
	out, err = v.command("bench", "--objects", "50K,90K", "--receivers", "2", "-q", "--format", "json").Output()
	check(v.T, errors.Join(err, validate(schema, out)))
	check(v.T, v.command(append(small, "--sweep", "parity=50%,100%", "--out", "result")...).Run())
	for _, name := range []string{"result/run.json", "result/result.json"} {
		b, err := os.ReadFile(v.path(name))
		check(v.T, errors.Join(err, validate(schema, b)))
	}
}
