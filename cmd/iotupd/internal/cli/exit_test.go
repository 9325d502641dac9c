// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"iotupd/receiver"
)

func TestExitCode(t *testing.T) {
	tests := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{context.Canceled, 1},
		{UsageError("wrong"), 3},
		{WithCode(ExitSilence, errors.New("silent")), 4},
		{WithCode(ExitIncomplete, errors.New("stalled")), 5},
		{receiver.ErrIntegrity, 6},
		{WithCode(ExitAuthenticity, errors.New("not signed")), 7},
		{WithCode(ExitPolicy, errors.New("too large")), 8},
		{WithCode(ExitNetwork, errors.New("no network")), 10},
		{&receiver.StoreError{Op: "write", Err: syscall.ENOSPC}, 11},
		{WithCode(ExitLocalIO, fs.ErrPermission), 11},
		{WithCode(ExitHook, errors.New("cannot mount")), 12},
		{SignalError{syscall.SIGINT}, 130},
		{SignalError{syscall.SIGTERM}, 143},
		{SignalError{syscall.SIGHUP}, 129},

		{fmt.Errorf("fw.bin: %w", WithCode(ExitNetwork, errors.New("wrapped"))), 10},
		{WithCode(ExitNetwork, UsageError("the first code stays")), 3},
		{&receiver.StoreError{Op: "open", Err: UsageError("coded by the store")}, 3},
		{&ShownError{WithCode(ExitSilence, errors.New("shown already"))}, 4},
	}
	for _, test := range tests {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("%v: got exit code %d, want %d", test.err, got, test.want)
		}
	}
}

func TestWithCodeOfNoErrorIsNoError(t *testing.T) {
	if err := WithCode(ExitNetwork, nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
