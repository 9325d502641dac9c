// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"iotupd/internal/durable"
	"iotupd/proto/archive"
	"iotupd/proto/manifestfile"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/directory"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
)

func TestAnErrorHasACodeAndAnExitCode(t *testing.T) {
	onDisk := func(err error) error { return &filestore.Error{Path: "fw.bin", Err: fmt.Errorf("fw.bin: %w", err)} }
	tests := []struct {
		err  error
		want int
		code string
	}{
		{errors.New("anything"), 1, "failed"},
		{context.Canceled, 1, "failed"},
		{UsageError("wrong"), 3, "usage"},
		{&manifestfile.ContentError{Path: "x", Err: errors.New("no")}, 3, "not-a-manifest"},
		{&manifestfile.FileError{Path: "x", Err: fs.ErrNotExist}, 11, "local-io"},
		{WithCode(ExitSilence, errors.New("silent")), 4, "silence"},
		{&agent.SilenceError{}, 4, "silence"},
		{&agent.SilenceError{Instead: agent.Instead{Reason: receiver.ReasonOtherObject}}, 4, "silence"},
		{&agent.SilenceError{Instead: agent.Instead{Reason: receiver.ReasonSignature}}, 7, "signature"},
		{&agent.SilenceError{Instead: agent.Instead{Reason: receiver.ReasonManifest}}, 8, "manifest"},
		{&agent.StalledError{Instead: agent.Instead{Reason: receiver.ReasonExpired}}, 8, "expired"},
		{&agent.SilenceError{Instead: agent.Instead{Reason: receiver.ReasonSealed}}, 7, "sealed"}, // packets arrived: no silence
		{&agent.SilenceError{Instead: agent.Instead{Reason: seal.ReasonSeal}}, 7, "seal"},
		{&agent.SilenceError{Instead: agent.Instead{Reason: receiver.ReasonUnsealed}}, 7, "unsealed"},
		{WithCode(ExitIncomplete, errors.New("stalled")), 5, "incomplete"},
		{&agent.StalledError{}, 5, "incomplete"},
		{receiver.ErrIntegrity, 6, "integrity"},
		{WithCode(ExitAuthenticity, errors.New("not signed")), 7, "not-trusted"},
		{WithCode(ExitPolicy, errors.New("too large")), 8, "refused"},
		{&installed.DamagedError{Path: "x"}, 8, "memory-damaged"},
		{&installed.DamagedRecordError{Path: "x"}, 8, "record-damaged"},
		{WithCode(ExitNetwork, errors.New("no network")), 10, "network-failed"},
		{&multicast.Error{Err: syscall.ENODEV}, 10, "network-failed"},
		{&receiver.StoreError{Op: "write", Err: syscall.ENOSPC}, 11, "no-space"},
		{&receiver.StoreError{Op: "write", Err: syscall.EIO}, 11, "local-io"},
		{WithCode(ExitLocalIO, fs.ErrPermission), 11, "local-io"},
		{onDisk(filestore.ErrInUse), 11, "in-use"},
		{&directory.Error{Path: "maps", Err: directory.ErrInUse}, 11, "in-use"},
		{&directory.Error{Path: "maps", Err: directory.ErrNotOurs}, 11, "directory-kept"},
		{&directory.Error{Path: "maps", Err: directory.ErrDisagrees}, 6, "directory-invalid"},
		{&directory.Error{Path: "maps", Err: fmt.Errorf("invalid inventory: %w", archive.ErrInvalid)}, 6, "directory-invalid"},
		{&directory.Error{Path: "maps", Err: &directory.RefusedError{Why: "a FIFO"}}, 8, "refused"},
		{&directory.Error{Path: "maps", Err: errors.New("too large")}, 11, "local-io"},
		{onDisk(filestore.ErrForeign), 11, "foreign-partial-file"},
		{onDisk(durable.ErrMountPoint), 11, "not-replaceable"},
		{onDisk(filestore.ErrMoved), 11, "directory-moved"},
		{&installed.PendingError{Path: "x", Err: syscall.EROFS}, 11, "installed-again"},
		{CheckStdout(closedStdout{}), 11, "stdout-closed"},
		{&agent.InstallError{Err: errors.New("cannot mount")}, 12, "install-failed"},
		{&agent.InstallError{Err: errors.New("not now"), State: state.Waiting}, 12, "install-waiting"},
		{&agent.InstallError{Err: errors.New("never"), State: state.Rejected}, 12, "install-rejected"},
		{&agent.GivenUpError{State: state.RolledBack}, 12, "rolled-back"},
		{&installed.LockedError{Path: "x"}, 11, "install-locked"},
		{WithCode(ExitHook, errors.New("cannot mount")), 12, "install-failed"},
		{WithCode(ExitRequirement, errors.New("missed")), 13, "requirement-missed"},
		{WithCode(ExitSignal+int(syscall.SIGPIPE), errors.New("gone")), 141, "reader-gone"},
		{SignalError{syscall.SIGINT}, 130, "signal"},
		{SignalError{syscall.SIGTERM}, 143, "signal"},
		{SignalError{syscall.SIGHUP}, 129, "signal"},

		{fmt.Errorf("fw.bin: %w", WithCode(ExitNetwork, errors.New("wrapped"))), 10, "network-failed"},
		{WithCode(ExitNetwork, UsageError("the first code stays")), 3, "usage"},
		{&receiver.StoreError{Op: "open", Err: UsageError("coded by the store")}, 3, "usage"},
		{&ShownError{WithCode(ExitSilence, errors.New("shown already"))}, 4, "silence"},
	}
	for _, test := range tests {
		if got, code := ExitCode(test.err), Code(test.err); got != test.want || code != test.code {
			t.Errorf("%v: got exit code %d, %s, want %d, %s", test.err, got, code, test.want, test.code)
		}
	}
	if got := ExitCode(nil); got != 0 {
		t.Errorf("no error: got exit code %d", got)
	}
}

func TestWithCodeOfNilIsNil(t *testing.T) {
	if err := WithCode(ExitNetwork, nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
