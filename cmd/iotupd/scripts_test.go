// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"iotupd/proto/manifestfile"
)

// Scripts find the command as a program called iotupd. They wait for packets
// more than for processors.
func init() {
	runTests = func(m *testing.M) {
		flag.Set("test.parallel", "4")
		testscript.Main(m, map[string]func(){"iotupd": func() { dieWithParent(); main() }})
	}
}

// TestScripts runs testdata. Packets go over the loopback interface only: it
// is preset, as are the port and the channel.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return os.Getuid() == 0, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("IOTUPD_INTERFACE", loopback())
			env.Setenv("GORACE", os.Getenv("GORACE")) // see the Makefile
			port, release, err := reservePort()
			if err != nil {
				return err
			}
			env.Defer(release)
			env.Setenv("IOTUPD_PORT", strconv.Itoa(int(port)))
			env.Setenv("ESCAPE", "fw\x1b[2J.bin") // clears a terminal
			env.Setenv("IOTUPD_CHANNEL", fmt.Sprintf("test %d %s", os.Getpid(), env.WorkDir))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"appears":    appears,
			"exits":      exits,
			"eventually": eventually,
			"holds":      holds,
			"modes":      modes,
			"change":     change,
			"events":     events,
			"random":     random,
			"sum":        sum,
			"offer":      offer,
		},
	})
}

// exits CODE COMMAND... runs a command and wants its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if got, want := exitCodeOf(ts, args[1:]), args[0]; got != want {
		ts.Fatalf("%s: got exit code %s, want %s", strings.Join(args[1:], " "), got, want)
	}
}

// exitCodeOf runs a command.
func exitCodeOf(ts *testscript.TestScript, command []string) string {
	err := ts.Exec(command[0], command[1:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	ts.Check(err)
	return "0"
}

// eventually CODE REGEXP COMMAND... runs a command until its output matches, and
// wants the exit code then. Each time, arguments such as 1s+ are doubled, since a
// busy host may not receive enough in a second. Exit code 4, nothing received,
// leads to another try.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want, pattern := args[0], regexp.MustCompile("(?m)"+args[1])
	for factor := time.Duration(1); factor <= 128; factor *= 2 {
		command := slices.Clone(args[2:])
		for i, arg := range command {
			if d, err := time.ParseDuration(strings.TrimSuffix(arg, "+")); err == nil && strings.HasSuffix(arg, "+") {
				command[i] = (factor * d).String()
			}
		}
		got := exitCodeOf(ts, command)
		matches := pattern.MatchString(ts.ReadFile("stdout")) || pattern.MatchString(ts.ReadFile("stderr"))
		switch {
		case got == want && matches:
			return
		case got != want && (matches || got != "4"):
			ts.Fatalf("%s: got exit code %s, want %s", strings.Join(command, " "), got, want)
		}
	}
	ts.Fatalf("%s never printed %q", strings.Join(args[2:], " "), args[1])
}

// appears FILE REGEXP waits until a file that a program writes matches.
func appears(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[1])
	for end := time.Now().Add(waitLimit); ; time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(ts.MkAbs(args[0])) // missing at first
		if err == nil && pattern.Match(b) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s is %q, %v, and does not match %q after %v", args[0], b, err, args[1], waitLimit)
		}
	}
}

// holds DIRECTORY NAME... wants the files in a directory, hidden ones too.
func holds(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := slices.Sorted(slices.Values(args[1:])); !slices.Equal(got, want) {
		ts.Fatalf("%s holds %q, want %q", args[0], got, want)
	}
}

// modes MODE FILE... wants the permissions of files.
func modes(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got, want := strconv.FormatUint(uint64(info.Mode().Perm()), 8), args[0]; got != want {
			ts.Fatalf("%s has mode %s, want %s", name, got, want)
		}
	}
}

// change FILE OFFSET... changes bytes of a file.
func change(ts *testscript.TestScript, _ bool, args []string) {
	paths, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(paths) != 1 {
		ts.Fatalf("%s is %q, want one file", args[0], paths)
	}
	f, err := os.OpenFile(paths[0], os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	for _, arg := range args[1:] {
		offset, err := strconv.ParseInt(arg, 10, 64)
		ts.Check(err)
		b := make([]byte, 1)
		_, err = f.ReadAt(b, offset)
		ts.Check(err)
		b[0]++
		_, err = f.WriteAt(b, offset)
		ts.Check(err)
	}
}

// events FILE TYPE... wants lines of JSON that fit the schema and nothing else, with
// events of these types in this order, and perhaps more.
func events(ts *testscript.TestScript, _ bool, args []string) {
	want := args[1:]
	ts.Check(validate(schemaOfEvents(), []byte(ts.ReadFile(args[0]))))
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			ts.Fatalf("%q is not JSON: %v", line, err)
		}
		if len(want) > 0 && want[0] == e.Type {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		ts.Fatalf("no event of type %s", want[0])
	}
}

// sum FILE TO writes the SHA-256 of a file as a line of another one.
func sum(ts *testscript.TestScript, _ bool, args []string) {
	sum := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(hex.EncodeToString(sum[:])+"\n"), 0o600))
}

// offer MANIFEST FILE DIRECTORY puts both there as recv --ready does.
func offer(ts *testscript.TestScript, _ bool, args []string) {
	m, err := manifestfile.Read(ts.MkAbs(args[0]))
	ts.Check(err)
	path := filepath.Join(ts.MkAbs(args[2]), m.Descriptor.Object().String())
	ts.Check(os.WriteFile(path+".file", []byte(ts.ReadFile(args[1])), 0o644))
	ts.Check(os.WriteFile(path+".iotupd", m.AppendTo(nil), 0o644))
}

// random FILE SIZE makes a file of random bytes, always the same.
func random(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), randomBytes(size), 0o666))
}
