// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"syscall"

	"iotupd/internal/mcast"
	"iotupd/receiver"
)

// Exit codes. 2 is left to crashes of the runtime.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 3
	exitSilence    = 4
	exitIncomplete = 5
	exitIntegrity  = 6
	exitPolicy     = 8
	exitNetwork    = 10
	exitLocalIO    = 11
	exitSignal     = 128 // plus the signal's number
)

const exitCodeHelp = `Exit codes:
  0  done, or the file was there already
  1  any other error
  3  wrong usage
  4  nothing was heard within --timeout
  5  the stream went silent for --stall before the file was complete
  6  the received file does not match its SHA-256
  8  refused by policy, such as --max-size
 10  the network could not be set up
 11  local input or output failed: no space, no permission, file changed
130, 143  ended by SIGINT, SIGTERM`

// An exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

func usageError(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

// A signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return "stopped by " + e.signal.String() }

// exitCode is the one place that turns an error into an exit code.
func exitCode(err error) int {
	var coded *exitError
	var signal signalError
	var store *receiver.StoreError
	var tooBig *mcast.TooBigError
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
	case errors.Is(err, mcast.ErrUnreachable), errors.Is(err, mcast.ErrNoInterface), errors.As(err, &tooBig):
		return exitNetwork
	}
	return exitFailure
}
