// SPDX-License-Identifier: GPL-2.0-or-later

// Package hook runs a command that somebody configured, for a file that is there.
package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"

	"iotupd/internal/printable"
)

// Environment is the environment of this process without its variables IOTUPD_..., which are
// flags of this program: the command may run it, too. The variables that are added
// have names that are no flags; control characters in their values are dropped.
func Environment(variables ...[2]string) (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "IOTUPD_") {
			env = append(env, v)
		}
	}
	for _, v := range variables {
		env = append(env, v[0]+"="+strings.Map(dropControl, v[1]))
	}
	return env
}

func dropControl(r rune) rune {
	if unicode.IsControl(r) {
		return -1
	}
	return r
}

// grace is how long a command that was stopped may take to end.
const grace = 10 * time.Second

// A Command is to be run, without a shell.
type Command struct {
	Words   []string // program and arguments; at least one
	Env     []string // all of it
	Timeout time.Duration

	// Inherits, if not nil, is a file that the command has as descriptor 3, where the
	// system can: a lock that it holds stays for as long as the command runs.
	Inherits *os.File

	// Print, if not nil, is called for every line that the command prints which is
	// not empty. It may be called from two goroutines at a time.
	Print func(line string)
}

// A Result is how a command ended.
type Result struct {
	Exit int // code; -1: it ended otherwise
	Took time.Duration
}

// A TimeoutError says that a command was stopped because it took too long.
type TimeoutError struct{ After time.Duration }

// Error implements error.
func (e *TimeoutError) Error() string { return fmt.Sprintf("stopped after %v", e.After) }

// Name is what to call the command.
func (c *Command) Name() string { return filepath.Base(c.Words[0]) }

// Run runs the command and waits for its end. One that succeeded may leave others
// running. When ctx ends, the command is asked to end, then killed, and the error
// is the cause of ctx. If it takes longer than its time, the error is a
// [*TimeoutError]. Else the error says how the command failed, and the last line
// of its stderr.
func (c *Command) Run(ctx context.Context) (Result, error) {
	limit, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(limit, c.Words[0], c.Words[1:]...)
	cmd.Env = c.Env
	if c.Inherits != nil && runtime.GOOS != "windows" {
		cmd.ExtraFiles = []*os.File{c.Inherits}
	}
	cmd.Cancel = func() error {
		if cmd.Process.Signal(syscall.SIGTERM) == nil {
			return nil
		}
		return cmd.Process.Kill()
	}
	cmd.WaitDelay = grace
	output, complaints := &lines{print: c.Print}, &lines{print: c.Print}
	cmd.Stdout, cmd.Stderr = output, complaints
	start := time.Now()
	err := cmd.Run()
	output.end()
	complaints.end()
	r := Result{Exit: cmd.ProcessState.ExitCode(), Took: time.Since(start)}
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it left something running
		return r, nil
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case limit.Err() != nil:
		err = &TimeoutError{c.Timeout}
	case complaints.last != "":
		err = fmt.Errorf("%w: %s", err, complaints.last)
	}
	return r, err
}

// maxLine bounds a line that a command prints, in bytes.
const maxLine = 1024

// lines cuts what a command prints into lines.
type lines struct {
	print func(string) // nil: nobody wants them
	part  []byte
	last  string // line that is not empty
}

// Write implements [io.Writer].
func (l *lines) Write(b []byte) (int, error) {
	for _, c := range b {
		if c == '\n' || len(l.part) == maxLine {
			l.end()
		}
		if c != '\n' {
			l.part = append(l.part, c)
		}
	}
	return len(b), nil
}

// end ends a line, if one was begun.
func (l *lines) end() {
	text := strings.TrimSpace(printable.Text(string(l.part)))
	l.part = l.part[:0]
	if text == "" {
		return
	}
	l.last = text
	if l.print != nil {
		l.print(text)
	}
}
