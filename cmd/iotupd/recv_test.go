// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/receiver"
)

// A transfer that ended for good leaves nothing to continue from; all others do.
func TestWhatRemainsOfATransferThatFailed(t *testing.T) {
	tests := []struct {
		err  error
		left []string
	}{
		{receiver.ErrIntegrity, nil},
		{cli.WithCode(cli.ExitIncomplete, errors.New("stalled")), []string{".fw.bin.iotupd-part"}},
		{errors.New("socket closed"), []string{".fw.bin.iotupd-part"}},
		{&receiver.StoreError{Op: "write", Err: errors.New("no space")}, []string{".fw.bin.iotupd-part"}},
	}
	for _, test := range tests {
		p := newPatient(t, recvOptions{output: "fw.bin"})
		d := to(t, "fw.bin")
		var err error
		p.view.core, err = receiver.New(receiver.Config{Open: d.Open})
		check(t, err)
		d.receive("half of")
		if err := p.view.finish(t.Context(), d.FileTarget, test.err); !errors.Is(err, test.err) {
			t.Errorf("got %v, want %v", err, test.err)
		}
		d.Close()
		d.wantFiles(test.left...)
	}
}
