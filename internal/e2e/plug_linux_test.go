// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"testing"
	"time"
)

func TestAReceiverFindsAnInterfaceThatAppearsLater(t *testing.T) {
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(noCable)
	source, target := newFile(t, 4*mib), newTarget(t)
	sender.send(source, "--rate", "50M")
	r := receiver.recv(target)
	receiver.plug(bothFamilies)
	plugged := time.Now()
	r.wait("found")
	t.Logf("the first packet came %.1f s after the interface", time.Since(plugged).Seconds())
	r.done()
	wantSame(t, target, source)
}

// The sender, the receiver, or the switch may lose the link in the middle of a
// transfer; it goes on when the link is back.
func TestATransferOutlivesALostLink(t *testing.T) {
	tests := []struct {
		cut    string // where
		family string
	}{
		{"sender", "-6"},
		{"sender", "-4"},
		{"receiver", "-6"},
		{"switch", "-4"},
	}
	for _, test := range tests {
		t.Run(test.cut+test.family, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
			source, target := newFile(t, 4*mib), newTarget(t)
			receiver.closeAfter(3 * mib)
			r := receiver.recv(target, test.family)
			s := sender.send(source, "--rate", "20M", test.family)
			at := r.waitUntilHeld(0.3)

			namespace, device := sender.name, "eth0"
			switch test.cut {
			case "receiver":
				namespace = receiver.name
			case "switch":
				namespace, device = l.net, "port1"
			}
			sh(t, namespace, "ip link set "+device+" down")
			if test.cut != "receiver" { // the switch takes the link from the sender
				t.Logf("the sender said: %s", s.wait("warn").Text)
			} else {
				s.sendsMore(1000) // which nobody receives
			}
			before := receiver.count()
			sh(t, namespace, "ip link set "+device+" up")
			back := time.Now()
			eventually(t, "packets arrive again", func() bool { return receiver.count().seen.Packets > before.seen.Packets+10 })
			t.Logf("link lost at %d of %d shards; packets again %.2f s after it was back", at.Held, at.Needed, time.Since(back).Seconds())

			receiver.open()
			e := r.done()
			t.Logf("done after %.2f s, %d packets lost, %d shards rebuilt", e.Seconds, e.Lost, e.Rebuilt)
			wantSame(t, target, source)
		})
	}
}
