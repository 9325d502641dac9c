// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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
		{usageError("wrong"), 3},
		{withCode(exitSilence, errors.New("silent")), 4},
		{withCode(exitIncomplete, errors.New("stalled")), 5},
		{receiver.ErrIntegrity, 6},
		{withCode(exitAuthenticity, errors.New("not signed")), 7},
		{withCode(exitPolicy, errors.New("too large")), 8},
		{withCode(exitNetwork, errors.New("no network")), 10},
		{&receiver.StoreError{Op: "write", Err: syscall.ENOSPC}, 11},
		{withCode(exitLocalIO, fs.ErrPermission), 11},
		{withCode(exitHook, errors.New("cannot mount")), 12},
		{signalError{syscall.SIGINT}, 130},
		{signalError{syscall.SIGTERM}, 143},
		{signalError{syscall.SIGHUP}, 129},

		{fmt.Errorf("fw.bin: %w", withCode(exitNetwork, errors.New("wrapped"))), 10},
		{withCode(exitNetwork, usageError("the first code stays")), 3},
		{&receiver.StoreError{Op: "open", Err: usageError("coded by the store")}, 3},
		{&shownError{withCode(exitSilence, errors.New("shown already"))}, 4},
	}
	for _, test := range tests {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("%v: got exit code %d, want %d", test.err, got, test.want)
		}
	}
}

func TestWithCodeOfNoErrorIsNoError(t *testing.T) {
	if err := withCode(exitNetwork, nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestHelpListsEveryExitCode(t *testing.T) {
	for _, code := range []int{
		exitOK, exitFailure, exitUsage, exitSilence, exitIncomplete, exitIntegrity, exitAuthenticity, exitPolicy, exitNetwork, exitLocalIO, exitHook, exitRequirement,
		exitSignal + int(syscall.SIGHUP), exitSignal + int(syscall.SIGINT), exitSignal + int(syscall.SIGPIPE), exitSignal + int(syscall.SIGTERM),
	} {
		if !slices.ContainsFunc(exitMeaningsOf("iotupd"), func(m exitMeaning) bool { return m.code == code }) {
			t.Errorf("exit code %d is not in the help", code)
		}
	}
}
