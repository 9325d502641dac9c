// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Coordinated senders start in different places of the loop, so that every packet
// of each is new to a receiver: S senders, S times the speed. How close real ones
// come to that is not asserted; packages sender and bench test it in virtual
// time.
func TestSendersOfTheSameFileAddUp(t *testing.T) {
	needsFull(t)
	const loss, size, runs = 10, 64 * mib, 3 // loss in percent
	source := newFile(t, size)
	seconds, shards := make(map[int]float64), make(map[int]float64)
	for _, senders := range []int{1, 2, 3} {
		var took, sent []float64
		for range runs {
			e := receiveFromMany(t, source, senders, loss)
			t.Logf("%d senders: %6.0f shards sent, %.4f of the bound, in %.3f s", senders, e.shardsSent(), e.overBound(loss/100.0), e.Collected)
			took, sent = append(took, e.Collected), append(sent, e.shardsSent())
		}
		seconds[senders], shards[senders] = median(took), median(sent)
	}
	for senders := 2; senders <= 3; senders++ {
		share := seconds[senders] / seconds[1] * float64(senders)
		t.Logf("%d senders: %.4f of 1/%d of the time of one, %.4f of its packets", senders, share, senders, shards[senders]/shards[1])
	}
}

// receiveFromMany returns the result of a receiver that starts when all senders
// are at work.
func receiveFromMany(t *testing.T, source string, senders, loss int) event {
	t.Helper()
	l := newLab(t)
	var started []*process
	for i := range senders {
		h := l.host(bothFamilies)
		started = append(started, h.send(source, "--rate", "50M", "--sender", fmt.Sprintf("%d/%d", i+1, senders)))
	}
	receiver := l.host(bothFamilies)
	receiver.lose(loss)
	for _, s := range started {
		s.wait("sending")
	}
	target := newTarget(t)
	e := receiver.recv(target).done()
	wantSame(t, target, source)
	for _, s := range started {
		s.kill()
	}
	return e
}

func TestTheOtherSendersGoOnWhenOneDies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	source, target := newFile(t, 16*mib), newTarget(t)
	receiver := l.host(bothFamilies)
	receiver.lose(10)
	receiver.closeAfter(12 * mib)
	r := receiver.recv(target)
	var senders []*process
	for i := range 3 {
		senders = append(senders, l.host(bothFamilies).send(source, "--rate", "40M", "--sender", fmt.Sprintf("%d/3", i+1)))
	}
	at := r.waitUntilHeld(0.4)
	senders[1].kill()
	receiver.open()
	e := r.done()
	t.Logf("one of three senders killed at %d of %d shards; done after %.2f s, %.4f of the bound", at.Held, at.Needed, e.Seconds, e.overBound(0.1))
	wantSame(t, target, source)
}

func TestReceiversGetTheFileTheyAskedForWhenTwoAreSent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first, second := newFile(t, 4*mib), newFile(t, 6*mib)
	a := l.host(bothFamilies).send(first, "--rate", "40M", "--name", "first-1.bin").wait("sending")
	b := l.host(bothFamilies).send(second, "--rate", "40M", "--name", "second-1.bin").wait("sending")

	byObject, byName, byPattern, inDir := newTarget(t), newTarget(t), newTarget(t), newDir(t)
	h := l.host(bothFamilies)
	h.lose(5)
	receivers := []*process{
		h.recv(byObject, "--object", a.Object),
		h.recv(byName, "--name", "second-1.bin"),
		h.recv(byPattern, "--name", "first-*"),
		h.start("recv", "-d", inDir, "--object", b.Object),
	}
	for _, r := range receivers {
		e := r.done()
		t.Logf("%s: %s in %.2f s; ignored %v", e.Name, e.Object, e.Seconds, e.Ignored)
	}
	wantSame(t, byObject, first)
	wantSame(t, byName, second)
	wantSame(t, byPattern, first)
	wantSame(t, filepath.Join(inDir, "second-1.bin"), second)
}
