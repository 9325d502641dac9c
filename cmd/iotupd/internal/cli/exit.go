// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"iotupd/internal/durable"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/proto/manifestfile"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/directory"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
)

// Exit codes. 2 is left to crashes of the runtime.
const (
	ExitOK           = 0
	ExitFailure      = 1
	ExitUsage        = 3
	ExitSilence      = 4
	ExitIncomplete   = 5
	ExitIntegrity    = 6
	ExitAuthenticity = 7
	ExitPolicy       = 8
	ExitNetwork      = 10
	ExitLocalIO      = 11
	ExitHook         = 12
	ExitRequirement  = 13
	ExitSignal       = 128 // plus the signal's number
)

// ExitCodeHelp is for the annotation of commands whose help lists exit codes;
// which ones, follows from the name of the command.
const ExitCodeHelp = "listed"

// An ExitMeaning is what an exit code means.
type ExitMeaning struct {
	Code     int
	meaning  string
	commands string // that end so; empty: all. iotupd stands for the help of the program.
}

var exitMeanings = []ExitMeaning{
	{0, "done", "send sign keygen inspect bench fit compare version install installed confirm retry status"},
	{0, "done, or the file was already there or installed", "iotupd recv"},
	{1, "any other error", ""},
	{3, "wrong usage, or several files are sent and none was chosen", "iotupd recv"},
	{3, "wrong usage", "send sign keygen inspect bench fit compare version install installed confirm retry status completion"},
	{4, "nothing arrived within --timeout", "iotupd recv"},
	{4, "nothing arrived within --for", "inspect"},
	{5, "packets stopped for --stall before the file was complete", "iotupd recv"},
	{6, "the received file does not match its SHA-256", "iotupd recv"},
	{7, "authenticity: no key of --trust has signed the file, or no key of --group-key opens it", "iotupd recv inspect"},
	{8, "no release is in a state in which that can be recorded", "installed confirm retry"},
	{8, "refused by policy: over --max-size, or the signed manifest is for an older release, other hardware or another channel, or has expired", "iotupd recv"},
	{10, "the network could not be set up, or failed", "iotupd send recv inspect"},
	{11, "local input or output failed: no space, no permission, file changed", ""},
	{12, "the command of --exec failed, or has asked for a later attempt, or the release is given up", "iotupd recv"},
	{13, "a bound of bench --require was not met", "iotupd bench"},
	{129, "stopped by SIGHUP", ""},
	{130, "stopped by SIGINT", ""},
	{141, "the program that read stdout has ended (SIGPIPE)", "iotupd send recv sign inspect bench fit compare version status"},
	{143, "stopped by SIGTERM", ""},
}

// ExitMeaningsOf lists the exit codes of a command.
func ExitMeaningsOf(command string) []ExitMeaning {
	return slices.DeleteFunc(slices.Clone(exitMeanings), func(m ExitMeaning) bool {
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

// WithCode gives err an exit code, unless it has one already.
func WithCode(code int, err error) error {
	if err == nil || errors.As(err, new(*exitError)) {
		return err
	}
	return &exitError{code: code, err: err}
}

// UsageError is an error of the command line, with its exit code.
func UsageError(format string, args ...any) error {
	return &exitError{code: ExitUsage, err: fmt.Errorf(format, args...)}
}

// A SignalError is the cause of a context that a signal ended.
type SignalError struct{ Signal syscall.Signal }

func (e SignalError) Error() string { return "stopped by " + e.Signal.String() }

// A ShownError was shown to the user already; only its exit code still matters.
type ShownError struct{ error }

func (e *ShownError) Unwrap() error { return e.error }

// isA reports whether err is an E, or wraps one.
func isA[E error](err error) bool { return errors.As(err, new(E)) }

// insteadCode returns the code of a receiver that has received nothing: that of what
// was heard and refused, otherwise the given one.
func insteadCode(instead agent.Instead, otherwise string) string {
	if reason.Of(instead.Reason).Failure != reason.Silence {
		return string(instead.Reason)
	}
	return otherwise
}

// ExitCode is the one place that turns an error into an exit code.
func ExitCode(err error) int {
	var coded *exitError
	var signal SignalError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &signal):
		return ExitSignal + int(signal.Signal)
	}
	return reason.CauseOf(Code(err)).Exit
}

// Code is the one place that turns an error into the code of its cause, which is one of
// package reason and goes with the exit code.
func Code(err error) string {
	code := codeOf(err)
	var coded *exitError
	if errors.As(err, &coded) && reason.CauseOf(code).Exit != coded.code {
		return reason.ByExit(coded.code)
	}
	return code
}

// codeOf is Code by the types of errors, with senderCode for those of senders.
func codeOf(err error) string {
	var silence *agent.SilenceError
	var stalled *agent.StalledError
	var install *agent.InstallError
	var given *agent.GivenUpError
	switch {
	case isA[SignalError](err):
		return reason.Signal
	case errors.As(err, &silence):
		return insteadCode(silence.Instead, reason.NothingHeard)
	case errors.As(err, &stalled):
		return insteadCode(stalled.Instead, reason.Incomplete)
	case errors.As(err, &install):
		return InstallCode(install.State)
	case errors.As(err, &given):
		return InstallCode(given.State)
	case errors.Is(err, ErrStdoutClosed):
		return reason.StdoutClosed
	}
	if code := storeCode(err); code != "" {
		return code
	}
	switch {
	case isA[*multicast.Error](err):
		return reason.NetworkFailed
	case isA[*manifestfile.FileError](err):
		return reason.LocalIO
	case isA[*manifestfile.ContentError](err):
		return reason.NotAManifest
	case errors.Is(err, receiver.ErrIntegrity):
		return reason.Integrity
	case isA[*receiver.SeveralError](err):
		return reason.SeveralFiles
	}
	if why := proto.Reason(""); errors.As(err, &why) && reason.Of(why).File != "" { // of one of several files
		return string(why)
	}
	if code := senderCode(err); code != "" {
		return code
	}
	return reason.Failed
}

// InstallCode is Code of an installation that has come to a state.
func InstallCode(s state.State) string {
	switch s {
	case state.Waiting:
		return reason.InstallWaiting
	case state.Rejected:
		return reason.InstallRejected
	case state.RolledBack:
		return reason.InstallRolledBack
	}
	return reason.InstallFailed
}

// storeCode is Code of what fails on a disk; empty: nothing did.
func storeCode(err error) string {
	switch {
	case errors.Is(err, filestore.ErrInUse), errors.Is(err, directory.ErrInUse):
		return reason.InUse
	case errors.Is(err, directory.ErrNotOurs):
		return reason.DirectoryKept
	case errors.Is(err, archive.ErrInvalid), errors.Is(err, directory.ErrDisagrees):
		return reason.DirectoryInvalid
	case errors.Is(err, durable.ErrFixed):
		return reason.NotReplaceable
	case errors.Is(err, filestore.ErrForeign):
		return reason.ForeignPartialFile
	case errors.Is(err, filestore.ErrMoved):
		return reason.DirectoryMoved
	case isA[*installed.DamagedError](err):
		return reason.MemoryDamaged
	case isA[*installed.DamagedRecordError](err):
		return reason.RecordDamaged
	case isA[*installed.PendingError](err):
		return reason.InstalledAgain
	case isA[*installed.LockedError](err):
		return reason.InstallLocked
	case errors.Is(err, syscall.ENOSPC):
		return reason.NoSpace
	case isA[*receiver.StoreError](err), isA[*durable.ScratchError](err), isA[*filestore.Error](err), isA[*filestore.TargetError](err),
		isA[*installed.Error](err), isA[*installed.DirError](err), isA[*directory.Error](err):
		return reason.LocalIO
	}
	return ""
}

// LocalError is an error of the file at path, with the exit code of local input
// and output.
func LocalError(path string, err error) error {
	return WithCode(ExitLocalIO, fmt.Errorf("%s: %w", path, durable.Cause(err)))
}
