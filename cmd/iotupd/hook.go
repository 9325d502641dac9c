// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/hook"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
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
	words, err := hook.SplitWords(o.exec)
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

// hookEnvironment tells the command about the file, by variables that are no
// flags of this program.
func hookEnvironment(done doneEvent, m *proto.Manifest, channel string) (env []string) {
	sequence := ""
	if done.SignedBy != "" {
		sequence = strconv.FormatUint(done.Sequence, 10)
	}
	return hook.Environment([][2]string{
		{"IOTUPD_FILE", done.Path},
		{"IOTUPD_FILE_NAME", done.Name},
		{"IOTUPD_FILE_SIZE", strconv.FormatUint(done.Bytes, 10)},
		{"IOTUPD_FILE_SHA256", done.SHA256},
		{"IOTUPD_FILE_VERSION", done.Version},
		{"IOTUPD_FILE_SEQUENCE", sequence},
		{"IOTUPD_FILE_CHANNEL", channel},
		{"IOTUPD_FILE_OBJECT", done.Object},
		{"IOTUPD_FILE_SIGNED_BY", done.SignedBy},
		{"IOTUPD_FILE_VERIFIED", strconv.FormatBool(done.Verified)},
		{"IOTUPD_FILE_METADATA", base64.StdEncoding.EncodeToString(m.Metadata)},
	}...)
}

// note returns the note for the file of m; nil if there is no command to run.
func (v *recvView) note(t filestore.Target, m *proto.Manifest) *installed.Note {
	files, ok := t.(*filestore.FileTarget)
	if v.opts.exec == "" || !ok {
		return nil
	}
	dir, name := files.Beside(m)
	return installed.NewNote(dir, name, m.Descriptor.SHA256)
}

type hookEvent struct {
	Command []string `json:"command"`
	Exit    int      `json:"exit_code"` // -1: ended otherwise
	Seconds float64  `json:"seconds"`
}

// runHook runs the command of --exec for a file that is in place, and ends its
// note once it has succeeded. No note, no command.
func (v *recvView) runHook(ctx context.Context, note *installed.Note, done doneEvent, m *proto.Manifest) error {
	if note == nil {
		return nil
	}
	if err := v.command(ctx, done, m); err != nil {
		return err
	}
	if err := note.Remove(); err != nil {
		pending := err.(*installed.PendingError)
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("%s: the command of --exec has succeeded, but will run again: %w", pending.Path, pending.Err))
	}
	v.out.Decision("the command of --exec has succeeded")
	return nil
}

// command runs the command of --exec. What it prints is shown.
func (v *recvView) command(ctx context.Context, done doneEvent, m *proto.Manifest) error {
	words, _ := hook.SplitWords(v.opts.exec) // validated
	path, err := filepath.Abs(done.Path)
	if err != nil {
		return cli.WithCode(cli.ExitHook, fmt.Errorf("--exec: %w", err))
	}
	done.Path = path
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "{}", path)
	}
	name := filepath.Base(words[0])
	cmd := hook.Command{
		Words: words, Env: hookEnvironment(done, m, v.opts.Channel), Timeout: v.opts.execTimeout,
		Print: func(line string) { v.out.Line("%s: %s", name, line) },
	}
	r, err := cmd.Run(ctx)
	v.out.Event("exec", hookEvent{Command: words, Exit: r.Exit, Seconds: r.Took.Seconds()})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err
	case errors.As(err, new(*hook.TimeoutError)):
		err = fmt.Errorf("stopped after %s, the time of --exec-timeout", quantity.Duration(v.opts.execTimeout))
	}
	return cli.WithCode(cli.ExitHook, fmt.Errorf("--exec %s: %w", name, err))
}
