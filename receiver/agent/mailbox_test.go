// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"testing"
	"time"

	"iotupd/receiver"
)

// The goroutine that receives never waits for one that does not take its news.
func TestAMailboxIsBounded(t *testing.T) {
	m := newMailbox()
	for i := range 3 * maxWaiting {
		m.put(Transfer{Event: receiver.GroupDecoded{Group: uint32(i)}})
	}
	for i := range 1000 {
		m.put(report{at: epoch.Add(time.Duration(i))})
	}
	m.put(Transfer{Event: receiver.Collected{}})
	m.close()
	news, more := m.take()
	if len(news) != maxWaiting+2 || more {
		t.Fatalf("got %d news, %v, want %d and no more", len(news), more, maxWaiting+2)
	}
	if r, ok := news[maxWaiting].(report); !ok || r.at != epoch.Add(999) {
		t.Errorf("got %+v, want the last report", news[maxWaiting])
	}
}
