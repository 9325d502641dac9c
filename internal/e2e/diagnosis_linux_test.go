// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"testing"
	"time"

	"iotupd/internal/diagnose"
)

// A receiver that hears nothing says why, in seconds, and goes on listening.
func TestAReceiverExplainsWhyNothingArrives(t *testing.T) {
	tests := []struct {
		name   string
		broken string // on the receiver's host
		sent   bool
		want   string
	}{
		{"no sender", "", false, diagnose.NothingOnTheWire},
		{"firewall", "nft 'add table inet f; add chain inet f input { type filter hook input priority 0; policy drop; }'", true, diagnose.HostFirewall},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
			source, target := newFile(t, 2*mib), newTarget(t)
			if test.sent {
				sender.send(source, "--rate", "2M").wait("sending")
			}
			receiver.sh(test.broken)
			r := receiver.recv(target)
			listening := time.Now()
			w := r.wait("warn")
			t.Logf("after %.1f s: %s [%s]", time.Since(listening).Seconds(), w.Text, w.Code)
			if w.Code != test.want {
				t.Errorf("got %q, want %q", w.Code, test.want)
			}

			receiver.sh("nft list tables inet | sed 's/^/delete /' | nft -f -")
			sender.send(source, "--rate", "50M")
			r.done()
			wantSame(t, target, source)
		})
	}
}
