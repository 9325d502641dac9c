// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/netif"
	"iotupd/internal/qdisc"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/sender"
)

const (
	// queueEvery is the time between two looks at the queue of the interface.
	queueEvery = time.Second
	// fewDrops are of a queue that is full for a moment, as one in so many packets.
	fewDrops = 50
)

// A queueWatch counts the packets that the queue of an interface drops, on a goroutine of
// its own: the kernel may take a while to say. The zero value has no interface.
type queueWatch struct {
	drops   atomic.Uint64 // since start, of whatever program
	done    chan struct{}
	running sync.WaitGroup
}

// start begins to look at the queue of an interface, and at no other one any more. Where
// that cannot be read, nothing is known of it.
func (q *queueWatch) start(ifindex int, read func(int) (uint32, error)) {
	q.stop()
	done := make(chan struct{})
	q.done = done
	q.running.Go(func() {
		before, err := read(ifindex)
		if err != nil {
			return
		}
		tick := time.NewTicker(queueEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if now, err := read(ifindex); err == nil {
				q.drops.Add(uint64(now - before)) // which wraps
				before = now
			}
		}
	})
}

func (q *queueWatch) stop() {
	if q.done != nil {
		close(q.done)
		q.running.Wait()
		q.done = nil
	}
}

// A queueShare is what of the packets has left the host.
type queueShare struct {
	at             time.Time
	packets, drops uint64
	left           float64 // share that left lately, 0 to 1
	warned         bool
}

// see takes the counts at a time.
func (s *queueShare) see(now time.Time, packets, drops uint64) {
	switch {
	case s.at.IsZero():
		s.left = 1
	case now.Sub(s.at) < slowFor:
		return
	case packets > s.packets:
		sent := packets - s.packets
		s.left = 1 - float64(min(drops-s.drops, sent))/float64(sent)
	}
	s.at, s.packets, s.drops = now, packets, drops
}

// watchQueue begins to look at the queue of the interface that has the name now.
func (i *interfaceView) watchQueue() {
	if ifi, err := netif.ByName(i.name); err == nil {
		i.queue.start(ifi.Index, qdisc.Drops)
	}
}

// checkQueue warns once if packets are dropped in the queue of the interface.
func (i *interfaceView) checkQueue(v *sendView, now time.Time, p sender.Progress) {
	i.share.see(now, p.Packets, i.queue.drops.Load())
	if i.share.warned || 1-i.share.left < 1.0/fewDrops {
		return
	}
	i.share.warned = true
	left := i.leaving() * v.packetBits()
	v.out.Warn(cli.Warning{
		Code: reason.SenderDrops,
		Text: fmt.Sprintf("%.0f%% of the packets are dropped on this host, in the queue of %s: about %v leave it", 100*(1-i.share.left), i.name, quantity.Rate(left)),
		Fix:  fmt.Sprintf("iotupd send --rate %dk FILE   # what the interface carries; or --rate max, which keeps its queue short", int64(left/1000)),
	})
}
