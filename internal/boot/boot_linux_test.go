// SPDX-License-Identifier: GPL-2.0-or-later

package boot

import "testing"

func TestABootIsKnown(t *testing.T) {
	if id := ID(); len(id) != 36 || id != ID() {
		t.Errorf("got %q, want the same id of 36 characters each time", id)
	}
	before := Uptime()
	if after := Uptime(); before <= 0 || after < before {
		t.Errorf("got %v and then %v", before, after)
	}
}
