// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"testing"
	"time"
)

func TestWhatBoundsASenderIsWhereItsTimeGoes(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		spent    spent
		interval time.Duration
		want     Bound
	}{
		{spent{all: 1000 * ms, packets: 1000}, ms, ByRate},
		{spent{all: 1000 * ms, packets: 985, link: 900 * ms}, ms, ByRate},
		{spent{all: 1000 * ms, packets: 970, slept: 100 * ms, link: 500 * ms, source: 20 * ms}, ms, ByLink},
		{spent{all: 1000 * ms, packets: 970, slept: 100 * ms, source: 500 * ms, link: 20 * ms}, ms, BySource},
		{spent{all: 1000 * ms, packets: 970, slept: 300 * ms, source: 100 * ms, link: 20 * ms}, ms, ByProcessor},
		{spent{all: 1000 * ms, packets: 1e6, link: 900 * ms}, 0, ByLink}, // no rate was asked for
		{spent{all: 1000 * ms, packets: 1e6}, 0, ByProcessor},
	} {
		if got := test.spent.bound(test.interval); got != test.want {
			t.Errorf("%+v: got %d, want %d", test.spent, got, test.want)
		}
	}
}
