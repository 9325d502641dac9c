// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"sync"
	"time"
)

const (
	// checkEvery is the time between two looks at files.
	checkEvery = time.Second
	// checkFiles is how many files are looked at each time: a disk may be slow. Of 10,000
	// files, each has its turn every 40 s. Files of large sets are also looked at when
	// they are read.
	checkFiles = 256
)

// watch looks at the files again and again, at some of them each time. It has a goroutine of its own, since a file
// system may take long to answer. stop waits for its end.
func (t *transfer) watch() (stop func()) {
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(checkEvery)
		defer tick.Stop()
		for next := 0; ; {
			select {
			case <-tick.C:
			case <-stopped:
				return
			}
			for range min(checkFiles, len(t.agent.objects)) {
				if err := t.agent.objects[next].check(); err != nil {
					t.drop(next, err)
				}
				next = (next + 1) % len(t.agent.objects)
			}
		}
	})
	return func() { close(stopped); watching.Wait() }
}

// drop has a file not sent any more. If none is left, or there was only one, that is the
// end of the transfer.
func (t *transfer) drop(i int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped[i] {
		return
	}
	t.dropped[i] = true
	left := len(t.agent.objects) - len(t.dropped)
	if left == 0 {
		t.changed = err
		return
	}
	for _, o := range t.outlets {
		o.drops <- i // has room for all
	}
	t.lost = append(t.lost, Dropped{Manifest: &t.agent.objects[i].manifest, Err: err, Left: left})
}
