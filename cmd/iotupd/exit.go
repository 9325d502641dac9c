// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"iotupd/internal/durable"
	"iotupd/receiver"
)

// Exit codes. 2 is left to crashes of the runtime.
const (
	exitOK           = 0
	exitFailure      = 1
	exitUsage        = 3
	exitSilence      = 4
	exitIncomplete   = 5
	exitIntegrity    = 6
	exitAuthenticity = 7
	exitPolicy       = 8
	exitNetwork      = 10
	exitLocalIO      = 11
	exitHook         = 12
	exitRequirement  = 13
	exitSignal       = 128 // plus the signal's number
)

// exitCodeHelp is for the annotation of commands whose help lists exit codes;
// which ones, follows from the name of the command.
const exitCodeHelp = "listed"

// An exitMeaning is what an exit code means.
type exitMeaning struct {
	code     int
	meaning  string
	commands string // that end so; empty: all. iotupd stands for the help of the program.
}

var exitMeanings = []exitMeaning{
	{0, "done", "send sign keygen inspect bench fit compare"},
	{0, "done, or the file was there already", "iotupd recv"},
	{1, "any other error", ""},
	{3, "wrong usage", ""},
	{4, "nothing was heard within --timeout", "iotupd recv"},
	{4, "nothing was heard within --for", "inspect"},
	{5, "the stream went silent for --stall before the file was complete", "iotupd recv"},
	{6, "the received file does not match its SHA-256", "iotupd recv"},
	{7, "authenticity: no key of --trust has signed what is there", "iotupd recv inspect"},
	{8, "refused by policy: over --max-size, or a signed manifest tells an older release, other hardware, another channel or a time that is over", "iotupd recv"},
	{10, "the network could not be set up, or failed", "iotupd send recv inspect"},
	{11, "local input or output failed: no space, no permission, file changed", ""},
	{12, "the command of --exec failed", "iotupd recv"},
	{13, "a bench --require was not met", "iotupd bench"},
	{129, "stopped by SIGHUP", ""},
	{130, "stopped by SIGINT", ""},
	{141, "the program that read stdout has ended (SIGPIPE)", "iotupd send recv sign inspect bench fit compare"},
	{143, "stopped by SIGTERM", ""},
}

// exitMeaningsOf lists the exit codes of a command.
func exitMeaningsOf(command string) []exitMeaning {
	return slices.DeleteFunc(slices.Clone(exitMeanings), func(m exitMeaning) bool {
		return m.commands != "" && !slices.Contains(strings.Fields(m.commands), command)
	})
}

// An exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// withCode gives err an exit code, unless it has one already.
func withCode(code int, err error) error {
	if err == nil || errors.As(err, new(*exitError)) {
		return err
	}
	return &exitError{code: code, err: err}
}

func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// A signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return "stopped by " + e.signal.String() }

// A shownError was shown to the user already; what is left of it is its exit
// code.
type shownError struct{ error }

func (e *shownError) Unwrap() error { return e.error }

// exitCode is the one place that turns an error into an exit code.
func exitCode(err error) int {
	var coded *exitError
	var signal signalError
	var store *receiver.StoreError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &signal):
		return exitSignal + int(signal.signal)
	case errors.As(err, &store):
		return exitLocalIO
	case errors.Is(err, receiver.ErrIntegrity):
		return exitIntegrity
	}
	return exitFailure
}

func localError(path string, err error) error {
	return withCode(exitLocalIO, fmt.Errorf("%s: %w", path, durable.Cause(err)))
}

// byItself returns what a file said about its failure, without what readers put
// before it: it names the file, and the offset helps nobody.
func byItself(err error) error {
	var local *exitError
	if errors.As(err, &local) && local.code == exitLocalIO {
		return local
	}
	return err
}
