// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"testing"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// Anybody can send packets that look sealed: they are not a reason to throw away what
// was received.
func TestOnlyARefusedFileIsCleanedUp(t *testing.T) {
	for reason, want := range map[proto.Reason]bool{
		receiver.ReasonRollback: true, receiver.ReasonSignature: true, "": false, receiver.ReasonOtherObject: false,
		seal.ReasonSeal: false, receiver.ReasonSealed: false, receiver.ReasonUnsealed: false,
	} {
		if got := (Instead{Reason: reason}).refused(); got != want {
			t.Errorf("%q: got %v, want %v", reason, got, want)
		}
	}
}
