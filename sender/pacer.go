// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "time"

const (
	// maxDebt bounds how far the pacer lags behind its schedule and still
	// catches up: after a longer stall the rest is forgotten. With this limit,
	// the average over any 10 s is within 1 % of the rate.
	maxDebt = 100 * time.Millisecond

	// maxBurst and maxBurstBytes bound the packets that leave at one moment: by
	// their time at the nominal rate, and by their bytes as IP packets. One
	// packet is always allowed. A larger burst overflows the receive buffer
	// that Linux has by default, and the ports of switches. A smaller one costs
	// rate on a busy host, where every wake-up is late.
	maxBurst      = 40 * time.Millisecond
	maxBurstBytes = 64 << 10

	// quantum is what one wake-up should send at high rates, as time at the nominal
	// rate: waking for every packet would cost more than sending it.
	quantum = 200 * time.Microsecond

	// What one wake-up of a processor should send, since waking costs as much as
	// several packets: gatherPackets, unless they take longer than gatherMost,
	// but at least the packets of gatherLeast.
	gatherPackets = 32
	gatherMost    = 20 * time.Millisecond
	gatherLeast   = time.Millisecond
)

// A pacer spaces equal packets on an absolute schedule, so that a late wake-up
// costs no rate. When behind, it catches up at 5/4 of the rate, in bursts that
// maxBurst and maxBurstBytes bound.
type pacer struct {
	interval  time.Duration // between packets at the nominal rate; 0: not paced
	tolerance time.Duration // how early, against the catch-up schedule, the packets of a burst may leave
	gathers   time.Duration // how long to wait after due, until a quantum of packets is due
	due       time.Time     // of the next packet on the nominal schedule
	free      time.Time     // when the burst limit is full again (GCRA's theoretical arrival time)
	last      time.Time     // when a packet left
	forgiven  bool          // forgive was called since last
}

// newPacer paces packets of so many bytes at a rate in bit/s. A negative rate
// means unlimited.
func newPacer(rate int64, packetBytes int) pacer {
	if rate < 0 {
		return pacer{}
	}
	p := pacer{interval: max(1, time.Duration(int64(packetBytes)*8*int64(time.Second)/rate))}
	burst := max(1, min(maxBurst/p.interval, time.Duration(burstPackets(packetBytes))))
	p.tolerance = (burst-1)*p.catchUp() + p.catchUp()/2 // half an interval of lateness costs nothing
	p.gathers = max(0, quantum-p.interval)
	return p
}

// gather reduces the number of wake-ups as far as possible with bursts that
// receivers and networks can take.
func (p *pacer) gather() {
	if p.interval == 0 {
		return
	}
	burst := p.tolerance/p.catchUp() + 1
	n := max(gatherLeast/p.interval, min(gatherMost/p.interval, gatherPackets))
	p.gathers = max(0, min(n, burst*3/4)-1) * p.interval
}

// burstPackets is how many packets of so many bytes may leave at one moment.
func burstPackets(packetBytes int) int { return max(1, maxBurstBytes/packetBytes) }

// catchUp is the interval between packets at 5/4 of the rate.
func (p *pacer) catchUp() time.Duration { return p.interval * 4 / 5 }

// ready reports whether a packet may leave now.
func (p *pacer) ready(now time.Time) bool {
	if p.due.IsZero() {
		p.due = now
	}
	return !p.due.After(now) && !p.free.After(now.Add(p.tolerance))
}

// sent accounts for a packet that left now.
func (p *pacer) sent(now time.Time) {
	if oldest := now.Add(-maxDebt); p.due.Before(oldest) {
		p.due = oldest
	}
	p.due = p.due.Add(p.interval)
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(p.catchUp())
	p.last, p.forgiven = now, false
}

// forgive forgets what should have left before now.
func (p *pacer) forgive(now time.Time) {
	if p.due.Before(now) {
		p.due, p.forgiven = now, true
	}
}

// wake returns when the next packets should leave: as soon as the schedule asks
// for a quantum of them and the burst limit allows as many. If more packets are
// overdue than fit in a burst, the host wakes up late, and fewer wake-ups would
// cost rate. Then, and after a pause, it returns when one packet may leave.
func (p *pacer) wake() time.Time {
	gathers := p.gathers
	if p.last.Sub(p.due) > p.tolerance || p.forgiven {
		gathers = 0
	}
	at := p.due.Add(gathers)
	if limited := p.free.Add(gathers*4/5 - p.tolerance); limited.After(at) {
		return limited
	}
	return at
}
