// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"iotupd/proto"
)

// However a receiver ends, the target is the whole old file or the whole new
// one, and the next receiver succeeds.
func TestAnInterruptedReceiverLeavesTheOldFileAndTheNextOneSucceeds(t *testing.T) {
	t.Parallel()
	source := newFile(t, 16*mib)
	tests := []struct {
		name   string
		signal syscall.Signal
		code   int
	}{
		{"SIGKILL", syscall.SIGKILL, -1},
		{"SIGTERM", syscall.SIGTERM, 143},
		{"SIGINT", syscall.SIGINT, 130},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
			receiver.lose(5)
			receiver.closeAfter(10 * mib)
			target := oldFile(t)
			r := receiver.recv(target)
			sender.send(source, "--rate", "100M")
			at := r.waitUntilHeld(0.3)
			r.cmd.Process.Signal(test.signal)
			r.wantExit(test.code, "")
			want := []string{".target.bin.iotupd-part", filepath.Base(target)}
			if got := namesIn(t, filepath.Dir(target)); !slices.Equal(got, want) {
				t.Errorf("the directory holds %q, want %q", got, want)
			}
			if sumOf(t, target) == sumOf(t, source) {
				t.Error("the target was replaced at 30 %")
			}
			t.Logf("%s with %d of %d shards", test.name, at.Held, at.Needed)

			receiver.open()
			e := receiver.recv(target).done()
			t.Logf("the next one is done after %.2f s, %d of %d shards rebuilt", e.Seconds, e.Rebuilt, e.Needed)
			wantSame(t, target, source)
		})
	}
}

// Two receivers of the same file must not write into each other's partial file.
func TestASecondReceiverOfTheSameTargetIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	source, target := newFile(t, 4*mib), oldFile(t)
	receiver.only(proto.TypeManifest)
	first := receiver.recv(target)
	sender.send(source, "--rate", "20M")
	first.wait("found")
	receiver.recv(target).wantExit(11, "another iotupd")
	receiver.open()
	first.done()
	wantSame(t, target, source)
}
