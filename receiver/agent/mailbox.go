// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"sync"
	"time"

	"iotupd/receiver"
)

// A report is a call of receiver.RunOptions.Report.
type report struct {
	at     time.Time
	status receiver.Status
}

// maxWaiting is how many news may wait before those are left out that come for
// every group.
const maxWaiting = 4096

// A mailbox takes news from the goroutine that receives, which never waits, to the
// watcher. Of reports in succession only the latest is kept.
type mailbox struct {
	mu      sync.Mutex
	news    []any // of types report, Transfer, Collected, LevelChanged and OverRate
	closed  bool
	changed chan struct{} // holds one element if there is something to take
}

func newMailbox() mailbox { return mailbox{changed: make(chan struct{}, 1)} }

// put adds news.
func (m *mailbox) put(news any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.news); n > 0 {
		_, isReport := news.(report)
		if _, another := m.news[n-1].(report); isReport && another {
			m.news[n-1] = news
			return
		}
		if n >= maxWaiting && forEveryGroup(news) {
			return
		}
	}
	m.news = append(m.news, news)
	m.wake()
}

// forEveryGroup reports whether there may be as many such news as groups.
func forEveryGroup(news any) bool {
	t, ok := news.(Transfer)
	if !ok {
		return false
	}
	switch t.Event.(type) {
	case receiver.GroupDecoded, receiver.Forged:
		return true
	}
	return false
}

// wake has take return. The caller holds m.mu.
func (m *mailbox) wake() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// close says that nothing more will come.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.wake()
}

// take returns the news there are, and reports whether more may come. What has
// been read from m.changed says that there is something to take.
func (m *mailbox) take() (news []any, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	news, m.news = m.news, nil
	return news, !m.closed
}
