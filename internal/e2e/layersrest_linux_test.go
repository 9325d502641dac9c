// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"testing"
)

// "a radio link goes on as it did: what a join adds to the loss is congestion, and
// what was there before is not." spec.md 10.3
func TestLayersAreJoinedInSpiteOfLossAtRest(t *testing.T) {
	t.Parallel()
	const percent = 10
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	receiver.lose(percent)
	source, target := newFile(t, 4*mib), newTarget(t)
	r := receiver.recv(target)
	sender.send(source, "--rate", "1M", "--layers", "3")
	var top event
	done := r.waitFor("done", func(e event) bool {
		if e.Type == "layers" {
			top = e
		}
		return e.Type == "done"
	})
	r.wantExit(0, "")
	t.Logf("%d %% of loss: %d layers from second %.1f to %.1f", percent, top.Layers, top.Seconds, done.Seconds)
	if top.Layers != 3 {
		t.Errorf("%d layers at the end, want 3", top.Layers)
	}
	wantSame(t, target, source)
}
