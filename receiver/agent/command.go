// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"iotupd/internal/hook"
)

// Command returns a function that installs a file by a command, which runs without
// a shell for at most limit. It is cut into words as a shell does; {} stands for the
// path of the file, and variables IOTUPD_FILE, IOTUPD_FILE_NAME, _SIZE, _SHA256,
// _VERSION, _COMPONENT, _SEQUENCE, _CHANNEL, _OBJECT, _SIGNED_BY, _VERIFIED and _METADATA say
// what it is, IOTUPD_ATTEMPT is the number of the attempt, and IOTUPD_FILE_STATE the
// directory of the record. What the command prints, and how it ended, are events. Its
// exit code 75 is ErrLater, and 65 is ErrRejected. It is an error if there is no such
// program. Errors of the function name the program; one that takes too long is a
// [*TimeoutError].
func Command(command string, limit time.Duration) (InstallFunc, error) {
	words, err := hook.SplitWords(command)
	if err == nil && len(words) == 0 {
		err = errors.New("no command")
	}
	if err == nil {
		_, err = exec.LookPath(words[0])
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, file *Received) error { return file.run(ctx, words, limit) }, nil
}

// A TimeoutError says that a command was stopped because it took too long.
type TimeoutError struct {
	Name  string // of the program
	After time.Duration
}

// Error implements error.
func (e *TimeoutError) Error() string { return fmt.Sprintf("%s: stopped after %v", e.Name, e.After) }

// run runs a command for the file.
func (r *Received) run(ctx context.Context, words []string, limit time.Duration) error {
	path, err := filepath.Abs(r.Path)
	if err != nil {
		return err
	}
	c := hook.Command{Env: r.environment(path), Timeout: limit}
	if r.lock != nil {
		c.Inherits = r.lock.File()
	}
	for _, word := range words {
		c.Words = append(c.Words, strings.ReplaceAll(word, "{}", path))
	}
	name := c.Name()
	c.Print = func(line string) { r.agent.emit(CommandPrinted{name, line}) }
	result, err := c.Run(ctx)
	r.agent.emit(CommandEnded{Words: c.Words, Exit: result.Exit, Took: result.Took})
	switch { // what a command says of itself counts, also if it was asked to end
	case err == nil || result.Exit == 0:
		return nil
	case result.Exit == exitLater:
		return fmt.Errorf("%s: %w: %w", name, ErrLater, err)
	case result.Exit == exitReject:
		return fmt.Errorf("%s: %w: %w", name, ErrRejected, err)
	case ctx.Err() != nil:
		return err
	case errors.As(err, new(*hook.TimeoutError)):
		return &TimeoutError{name, limit}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Exit codes of commands: EX_TEMPFAIL and EX_DATAERR of sysexits.h.
const (
	exitLater  = 75
	exitReject = 65
)

// environment describes the file at path to a command, by variables that do not
// set flags of iotupd.
func (r *Received) environment(path string) []string {
	m := r.Manifest
	d := m.Descriptor
	signer, sequence := "", ""
	if len(r.Signers) > 0 {
		signer, sequence = r.Signers[0].ID.String(), strconv.FormatUint(m.Sequence, 10)
	}
	variables := [][2]string{
		{"IOTUPD_FILE", path},
		{"IOTUPD_FILE_NAME", m.Name},
		{"IOTUPD_FILE_SIZE", strconv.FormatUint(d.Size, 10)},
		{"IOTUPD_FILE_SHA256", hex.EncodeToString(d.SHA256[:])},
		{"IOTUPD_FILE_VERSION", m.Version},
		{"IOTUPD_FILE_COMPONENT", m.Component},
		{"IOTUPD_FILE_SEQUENCE", sequence},
		{"IOTUPD_FILE_CHANNEL", r.Channel()},
		{"IOTUPD_FILE_OBJECT", d.Object().String()},
		{"IOTUPD_FILE_SIGNED_BY", signer},
		{"IOTUPD_FILE_VERIFIED", strconv.FormatBool(r.Verified)},
		{"IOTUPD_FILE_METADATA", base64.StdEncoding.EncodeToString(m.Metadata)},
	}
	if r.record != nil {
		variables = append(variables,
			[2]string{"IOTUPD_FILE_STATE", r.agent.journal.Dir()}, [2]string{"IOTUPD_ATTEMPT", strconv.Itoa(r.record.Attempts)})
	}
	return hook.Environment(variables...)
}
