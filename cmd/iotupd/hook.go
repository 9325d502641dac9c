// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
)

// hookOptions are the flags of recv about the program that installs the file.
type hookOptions struct {
	exec        string
	execTimeout time.Duration
}

func (o *hookOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.exec, "exec", "", "`command` to run once a new file is there, without a shell; {} stands for its path, and variables IOTUPD_FILE... tell more")
	flags.DurationVar(&o.execTimeout, "exec-timeout", 10*time.Minute, "stop the command after this `time`")
}

func (o *hookOptions) validate() error {
	if o.exec == "" {
		return nil
	}
	if o.execTimeout <= 0 {
		return cli.UsageError("--exec-timeout %v: want a time, such as 10m", o.execTimeout)
	}
	words, err := splitWords(o.exec)
	if err == nil && len(words) == 0 {
		err = errors.New("no command")
	}
	if err == nil {
		_, err = exec.LookPath(words[0])
	}
	if err != nil {
		return cli.UsageError("--exec %q: %w", o.exec, err)
	}
	return nil
}

var errQuote = errors.New("a quote has no end")

const spaces = " \t\r\n"

// splitWords cuts a command into words as a shell does, and knows quotes and
// backslashes but nothing else of it.
func splitWords(s string) (words []string, err error) {
	for s = strings.TrimLeft(s, spaces); s != ""; s = strings.TrimLeft(s, spaces) {
		var word string
		if word, s, err = firstWord(s); err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}

// firstWord takes the word that s begins with. A backslash that is not before a
// space, a quote or a backslash is only that, as in paths of Windows.
func firstWord(s string) (word, rest string, err error) {
	var b strings.Builder
	quote := byte(0) // that has begun
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s) && strings.IndexByte(`\"' `, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && strings.IndexByte(spaces, c) >= 0:
			return b.String(), s[i:], nil
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", errQuote
	}
	return b.String(), "", nil
}

// hookEnvironment tells the command about the file, by variables that are no
// flags of this program: the command may run it. Nor are flags handed on that
// came by the environment.
func hookEnvironment(done doneEvent, m *proto.Manifest, channel string) (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "IOTUPD_") {
			env = append(env, v)
		}
	}
	set := func(name, value string) {
		env = append(env, "IOTUPD_FILE"+name+"="+strings.Map(dropControl, value))
	}
	sequence := ""
	if done.SignedBy != "" {
		sequence = strconv.FormatUint(done.Sequence, 10)
	}
	set("", done.Path)
	set("_NAME", done.Name)
	set("_SIZE", strconv.FormatUint(done.Bytes, 10))
	set("_SHA256", done.SHA256)
	set("_VERSION", done.Version)
	set("_SEQUENCE", sequence)
	set("_CHANNEL", channel)
	set("_OBJECT", done.Object)
	set("_SIGNED_BY", done.SignedBy)
	set("_VERIFIED", strconv.FormatBool(done.Verified))
	set("_METADATA", base64.StdEncoding.EncodeToString(m.Metadata))
	return env
}

func dropControl(r rune) rune {
	if unicode.IsControl(r) {
		return -1
	}
	return r
}

// hookGrace is how long a command that was stopped may take to end.
const hookGrace = 10 * time.Second

type hookEvent struct {
	Command []string `json:"command"`
	Exit    int      `json:"exit_code"` // -1: ended otherwise
	Seconds float64  `json:"seconds"`
}

// runHook runs the command of --exec for a file that is in place, and ends its
// note once it has succeeded. No note, no command.
func (v *recvView) runHook(ctx context.Context, note *hookNote, done doneEvent) error {
	if note == nil {
		return nil
	}
	if err := v.command(ctx, done, note.manifest); err != nil {
		return err
	}
	if err := note.remove(); err != nil {
		return err
	}
	v.out.Decision("the command of --exec has succeeded")
	return nil
}

// command runs the command of --exec. What it prints is shown.
func (v *recvView) command(ctx context.Context, done doneEvent, m *proto.Manifest) error {
	words, _ := splitWords(v.opts.exec) // validated
	path, err := filepath.Abs(done.Path)
	if err != nil {
		return cli.WithCode(cli.ExitHook, fmt.Errorf("--exec: %w", err))
	}
	done.Path = path
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "{}", path)
	}
	limit, cancel := context.WithTimeout(ctx, v.opts.execTimeout)
	defer cancel()
	cmd := exec.CommandContext(limit, words[0], words[1:]...)
	cmd.Env = hookEnvironment(done, m, v.opts.Channel)
	cmd.Cancel = func() error {
		if cmd.Process.Signal(syscall.SIGTERM) == nil {
			return nil
		}
		return cmd.Process.Kill()
	}
	cmd.WaitDelay = hookGrace
	name := filepath.Base(words[0])
	output, complaints := &lines{print: v.out, name: name}, &lines{print: v.out, name: name}
	cmd.Stdout, cmd.Stderr = output, complaints
	start := time.Now()
	err = cmd.Run()
	output.end()
	complaints.end()
	v.out.Event("exec", hookEvent{Command: words, Exit: cmd.ProcessState.ExitCode(), Seconds: time.Since(start).Seconds()})
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it left something running
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limit.Err() != nil:
		err = fmt.Errorf("stopped after %s, the time of --exec-timeout", quantity.Duration(v.opts.execTimeout))
	case complaints.last != "":
		err = fmt.Errorf("%w: %s", err, complaints.last)
	}
	return cli.WithCode(cli.ExitHook, fmt.Errorf("--exec %s: %w", name, err))
}

// maxHookLine bounds a line that a command prints, in bytes.
const maxHookLine = 1024

// lines shows what a command prints, line by line.
type lines struct {
	print *cli.Output
	name  string
	part  []byte
	last  string // line that is not empty
}

func (l *lines) Write(b []byte) (int, error) {
	for _, c := range b {
		if c == '\n' || len(l.part) == maxHookLine {
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
	text := strings.TrimSpace(cli.Printable(strings.ToValidUTF8(string(l.part), "\uFFFD")))
	l.part = l.part[:0]
	if text != "" {
		l.last = text
		l.print.Line("%s: %s", l.name, text)
	}
}
