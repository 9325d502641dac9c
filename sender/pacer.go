// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "time"

const (
	// maxDebt bounds how far the pacer lags behind its schedule and still
	// catches up: after a longer stall the rest is forgotten. It keeps any
	// 10 s within 1 % of the rate.
	maxDebt = 100 * time.Millisecond
	// maxBurst bounds what leaves at one moment, as time at the nominal rate,
	// but not below one packet.
	maxBurst = time.Millisecond
	// quantum is what one wake-up should send at high rates: waking for every
	// packet would cost more than sending it.
	quantum = 200 * time.Microsecond
)

// A pacer spaces equal packets on an absolute schedule, so that a late wake-up
// costs no rate. When behind, it catches up at 5/4 of the rate, in bursts that
// maxBurst bounds. That bound costs rate where every wake-up is late by more
// than it: from 8 to 80 Mbit/s it takes timers better than the runtime's.
type pacer struct {
	interval  time.Duration // between packets at the nominal rate; 0: not paced
	tolerance time.Duration // how far ahead of the catch-up schedule a burst may be
	due       time.Time     // of the next packet on the nominal schedule
	free      time.Time     // when the burst limit is full again (GCRA's theoretical arrival time)
}

// newPacer paces packets of so many bytes at a rate in bit/s; a negative rate
// is no limit.
func newPacer(rate int64, packetBytes int) pacer {
	if rate < 0 {
		return pacer{}
	}
	p := pacer{interval: time.Duration(int64(packetBytes) * 8 * int64(time.Second) / rate)}
	burst := max(1, maxBurst/p.interval)
	p.tolerance = (burst-1)*p.catchUp() + p.catchUp()/2 // half an interval of lateness costs nothing
	return p
}

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
}

// forgive forgets what should have left before now.
func (p *pacer) forgive(now time.Time) {
	if p.due.Before(now) {
		p.due = now
	}
}

// wake returns when the next packets should leave: as soon as the schedule
// asks for a quantum of them and the burst limit allows one.
func (p *pacer) wake() time.Time {
	at := p.due.Add(max(0, quantum-p.interval))
	if limited := p.free.Add(-p.tolerance); limited.After(at) {
		return limited
	}
	return at
}
