// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"slices"
	"testing"
)

// shardsSent returns how many data and parity packets left the senders from the
// first to the last that a receiver needed. Lost ones are assumed to have the
// same shares as the packets that arrived.
func (e event) shardsSent() float64 {
	return e.shardsTaken() * float64(e.Sent) / float64(e.Sent-e.Lost)
}

// shardsTaken returns how many of these arrived.
func (e event) shardsTaken() float64 { return float64(e.Data + e.Parity) }

// overBound returns what was sent, as a multiple of the least that anybody who
// loses a share p of the packets can do with.
func (e event) overBound(p float64) float64 {
	return e.shardsSent() / (float64(e.Needed) / (1 - p))
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// "Any K distinct shards of a group restore it." spec.md 3.5: whatever receivers
// lose, one stream is for all of them, and the one that loses nothing takes each
// shard once and rebuilds nothing. How many packets the others need is tested in
// virtual time, in packages receiver and bench; here it is printed.
func TestReceiversWithDifferentLossNeedLittleMoreThanTheBound(t *testing.T) {
	losses := []int{0, 1, 10, 30} // percent
	size, runs := int64(4*mib), 1
	if full {
		size, runs = 64*mib, 5
	}
	source := newFile(t, size)
	ratios := make(map[int][]float64)
	for range runs {
		results := receiveAtOnce(t, source, losses)
		for i, p := range losses {
			e := results[i]
			t.Logf("loss %2d %%: %6.0f shards sent of %d needed: %.4f of the bound   lost %.2f %%, %5d rebuilt, own drops %d   "+
				"collected after %.2f s, renamed %.3f s later", p, e.shardsSent(), e.Needed, e.overBound(float64(p)/100),
				100*float64(e.Lost)/float64(e.Sent), e.Rebuilt, e.OwnDrops, e.Collected, e.Seconds-e.Collected)
			ratios[p] = append(ratios[p], e.overBound(float64(p)/100))
		}
		if e := results[0]; e.Lost == 0 && (e.Rebuilt != 0 || e.shardsTaken() != float64(e.Needed)) {
			t.Errorf("the lossless receiver took %.0f shards and rebuilt %d, want %d and 0", e.shardsTaken(), e.Rebuilt, e.Needed)
		}
	}
	for _, p := range losses {
		t.Logf("loss %2d %%: median %.4f of the bound", p, median(ratios[p]))
	}
}

// receiveAtOnce sends a file to one receiver for each loss, all of which listen
// before the sender starts, and returns their results.
func receiveAtOnce(t *testing.T, source string, losses []int) (results []event) {
	l := newLab(t)
	sender := l.host(bothFamilies)
	var receivers []*process
	var targets []string
	for _, percent := range losses {
		h := l.host(bothFamilies)
		h.lose(percent)
		targets = append(targets, newTarget(t))
		receivers = append(receivers, h.recv(targets[len(targets)-1]))
	}
	s := sender.send(source, "--rate", "200M")
	for i, r := range receivers {
		results = append(results, r.done())
		wantSame(t, targets[i], source)
	}
	if code := s.stop(); code != 130 {
		t.Errorf("the sender ended with code %d, want 130", code)
	}
	return results
}

// "A receiver that loses nothing has the file after Nd packets from the start of
// a loop, and after at most K*G + G-1 if it joins late." spec.md 6.1
func TestALateReceiverTakesNoMoreThanOneShardOfEveryGroup(t *testing.T) {
	t.Parallel()
	size, joins := int64(4*mib), 4
	if full {
		size, joins = 64*mib, 10
	}
	rnd := newRand(t)
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	source := newFile(t, size)
	s := sender.send(source, "--rate", "100M")
	s.wait("sending")
	for range joins {
		share := rnd.Float64()
		s.waitFor("progress at that place", func(e event) bool { return e.Type == "progress" && e.Fraction >= share })
		target := newTarget(t)
		r := receiver.recv(target)
		at := s.latest("progress")
		object := r.wait("object")
		e := r.done()
		groups := (e.Needed + object.K - 1) / object.K
		t.Logf("joined at %3.0f %% of loop %d: took %.0f shards of %d needed in %d groups, %.4f; rebuilt %d, lost %d",
			100*at.Fraction, at.Loop, e.shardsTaken(), e.Needed, groups, e.shardsTaken()/float64(e.Needed), e.Rebuilt, e.Lost)
		if most := float64(object.K*groups + groups - 1); e.Lost == 0 && e.shardsTaken() > most {
			t.Errorf("took %.0f shards, want at most %.0f", e.shardsTaken(), most)
		}
		wantSame(t, target, source)
	}
}
