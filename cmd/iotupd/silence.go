// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/diagnose"
	"iotupd/internal/quantity"
	"iotupd/proto"
)

const (
	// silentAfter is how long nothing may arrive before that is explained.
	silentAfter = 5 * time.Second
	// silentAgain is how long until it is explained again.
	silentAgain = 30 * time.Second
	// rejoinEvery is the number of explanations from one time that the groups are
	// joined anew to the next: two minutes, as between the questions of a querier.
	rejoinEvery = 4
)

// A silence watches for the time when nothing arrives that is of use, or that a
// warning has explained, and explains it by what the kernel counted meanwhile.
type silence struct {
	since time.Time // packets were last seen to arrive, or the last explanation
	wait  time.Duration
	alive uint64 // packets that had arrived then
	told  int    // explanations of this silence

	watching bool // before, rejects and drops are of the start of this silence
	before   diagnose.Snapshot
	rejects  map[proto.Reason]uint64
	drops    uint64
}

func newSilence(now time.Time) *silence { return &silence{since: now, wait: silentAfter} }

// watch notes the counters at the start of a silence. Those that cannot be read
// give less to explain, and that is all.
func (s *silence) watch(v *recvView) {
	s.watching = true
	s.before, _ = diagnose.Read()
	s.rejects, s.drops = maps.Clone(v.status.Ignored), v.listener.Stats().KernelDrops
}

// check returns what is going on and its likely causes if it has been silent
// for long enough, else an empty text.
func (s *silence) check(now time.Time, v *recvView) (text string, causes []diagnose.Finding) {
	// A discovery that has found nobody says so itself.
	if alive := v.useful + v.rejected(); alive != s.alive || !v.collected.IsZero() || v.listener.Place().Port == 0 || v.level < 0 {
		s.alive, s.since, s.wait, s.told, s.watching = alive, now, silentAfter, 0, false
		return "", nil
	}
	if !s.watching {
		s.watch(v)
	}
	if now.Sub(s.since) < s.wait {
		return "", nil
	}
	after, _ := diagnose.Read()
	place := v.listener.Place()
	granted, wanted := v.buffer()
	causes = diagnose.Explain(s.before, after, diagnose.Listening{
		Interfaces: place.Interfaces,
		Groups:     place.Groups,
		Sources:    place.Sources,
		Port:       place.Port,
		Interval:   now.Sub(s.since),
		Heard:      v.useful > 0,
		Joined:     now.Sub(v.start),
		Drops:      v.listener.Stats().KernelDrops - s.drops,
		Buffer:     granted, BufferWanted: wanted,
		Rejected: rise(v.status.Ignored, s.rejects),
	})
	if s.told%rejoinEvery == 0 {
		// A switch, or a sender that waits for listeners, may have missed or forgotten
		// us. What fails is tried again with the next look at the interfaces.
		v.listener.Rejoin()
	}
	s.since, s.wait, s.told = now, silentAgain, s.told+1
	s.watch(v)
	if len(place.Groups) == 0 {
		return "nothing can arrive, since no group is joined yet; still trying", causes
	}
	return fmt.Sprintf("nothing has arrived for %s; still listening on %s for %s, port %d",
		quantity.Duration(now.Sub(v.heard)), strings.Join(place.Interfaces, ", "), strings.Join(cli.Texts(place.Groups), ", "), place.Port), causes
}

// rise returns what counters have grown by.
func rise(now, before map[proto.Reason]uint64) map[proto.Reason]uint64 {
	grown := make(map[proto.Reason]uint64)
	for why, n := range now {
		if n > before[why] {
			grown[why] = n - before[why]
		}
	}
	return grown
}
