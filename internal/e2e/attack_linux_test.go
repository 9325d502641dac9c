// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// "With digests a forged shard costs a comparison, and perhaps one more decoding
// of its group." spec.md 11. "A receiver bounds how many signatures it verifies
// in a second", and it refuses a manifest "whose sequence is lower than the
// highest that was installed of any of its keys, or equal with another object."
// spec.md 5.5: packets of an intruder neither get into the file, nor prevent its
// reception, nor cost the receiver much memory or disk.
func TestAnIntruderCannotCorruptATransfer(t *testing.T) {
	const tenth = 10
	key := newKeyPair(t)
	source := newFile(t, siegeSize())
	manifest, installed := key.sign(t, source, 3), key.install(t, 2)
	older, twin := newFile(t, siegeSize()), newFile(t, siegeSize())
	tests := []struct {
		name    string
		trusts  bool
		begin   func(*intruder) (stop func() uint64)
		reasons []string
	}{
		{"1 forged parity in 10", false, attack{forge: known.parity, every: tenth}.begin, []string{"forged"}},
		{"1 forged data in 10, from the sender's address", false, attack{forge: known.data, every: tenth, spoof: true}.begin, []string{"forged"}},
		{"forged digests", false, attack{forge: known.digest}.begin, []string{"digest"}},
		{"header bombs", true, attack{forge: known.bombs}.begin, []string{"geometry", "length", "other-object"}},
		{"manifests that are not signed", true, attack{forge: known.unsigned}.begin, []string{"signature"}},
		{"garbage for a signature", true, attack{forge: known.badlySigned}.begin, []string{"signature"}},
		{"releases to come, garbage for a signature", true, attack{forge: known.newer}.begin, []string{"signature"}},
		{"an older release", true, replay(older, key.sign(t, older, 1)), []string{"rollback"}},
		{"the same sequence, another object", true, replay(twin, key.sign(t, twin, 2)), []string{"rollback"}},
	}
	calm := besieged{source: source}.transfer(t)
	t.Logf("no attack: %v", calm)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := besieged{source: source, begin: test.begin, reasons: test.reasons}
			if test.trusts {
				state := newDir(t)
				if err := os.CopyFS(state, os.DirFS(installed)); err != nil {
					t.Fatal(err)
				}
				b.send, b.recv = []string{manifest}, key.trust(state)
			}
			b.transfer(t).compare(t, calm)
		})
	}
}

// replay sends a recorded release as fast as it goes.
func replay(file, manifest string) func(*intruder) (stop func() uint64) {
	return func(x *intruder) (stop func() uint64) {
		s := x.host.send(file, manifest, "--rate", "1G")
		s.wait("sending")
		return func() uint64 { s.kill(); return s.latest("progress").Packets }
	}
}

// install receives a release, and returns the state that this leaves.
func (k keyPair) install(t *testing.T, sequence int) (state string) {
	t.Helper()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	file, state := newFile(t, mib/4), newDir(t)
	sender.send(file, k.sign(t, file, sequence), "--rate", "20M")
	receiver.recv(newTarget(t), k.trust(state)...).done()
	return state
}

// A receiver that has not installed a release yet begins with an older one, and
// changes to a newer one as soon as that is sent.
func TestANewerReleaseTakesOver(t *testing.T) {
	t.Parallel()
	key := newKeyPair(t)
	old, source := newFile(t, 16*mib), newFile(t, siegeSize())
	older, newer := key.sign(t, old, 1), key.sign(t, source, 2)
	l := newLab(t)
	stranger, sender, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	target := newTarget(t)
	r := receiver.recv(target, key.trust(newDir(t))...)
	disk := r.watchDisk(filepath.Dir(target))
	stranger.send(old, older, "--rate", "1M") // two minutes for the file
	if first := r.wait("object"); first.Sequence != 1 {
		t.Fatalf("began with sequence %d, want 1", first.Sequence)
	}
	sender.send(source, newer, "--rate", "40M")
	e := r.done()
	t.Logf("sequence %d in %.2f s; peak disk use %.1f MiB for files of %d and %d MiB; ignored %v",
		e.Sequence, e.Seconds, float64(disk())/mib, 16, siegeSize()/mib, e.Ignored)
	wantSame(t, target, source)
}

// Without a signature, an object that somebody made up may come first. A receiver
// keeps to it for 12 s.
func TestHeaderBombsDelayReceiversWithoutTrust(t *testing.T) {
	needsFull(t)
	source := newFile(t, siegeSize())
	calm := besieged{source: source}.transfer(t)
	reasons := []string{"geometry", "length", "other-object"}
	besieged{source: source, begin: attack{forge: known.bombs}.begin, reasons: reasons}.transfer(t).compare(t, calm)
}

func siegeSize() int64 {
	if full {
		return 64 * mib
	}
	return 2 * mib
}

// A siege is what a transfer took while somebody attacked it.
type siege struct {
	event
	took    float64 // seconds from the start of the receiver
	forged  uint64  // datagrams sent by the intruder
	arrived uint64  // packets of all
	rss     float64 // peak, MiB
	disk    float64 // peak, MiB
}

func (s siege) String() string {
	return fmt.Sprintf("done %.2f s after its start, collected in %.2f s; RSS %.1f MiB, disk %.1f MiB; %d forged packets of %d; %d forged shards dropped, ignored %v",
		s.took, s.Collected, s.rss, s.disk, s.forged, s.arrived, s.Forged, s.Ignored)
}

// A besieged transfer is one that somebody has begun to attack before its
// receiver starts. It does not complete before forged packets were ignored for
// each of the reasons.
type besieged struct {
	source     string
	send, recv []string                             // flags
	begin      func(*intruder) (stop func() uint64) // the attack; nil: none
	reasons    []string
}

func (b besieged) transfer(t *testing.T) (s siege) {
	t.Helper()
	l := newLab(t)
	sender, receiver, stranger := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	receiver.lose(10)
	target := newTarget(t)
	sending := sender.send(b.source, append([]string{"--rate", "40M"}, b.send...)...)
	stop := func() uint64 { return 0 }
	if b.begin != nil {
		x := newIntruder(stranger)
		sending.wait("sending")
		stop = b.begin(x)
	}
	before := receiver.count()
	if !full { // there a transfer takes long enough, and its time is a figure
		receiver.withhold(sender)
	}
	r := receiver.recv(target, b.recv...)
	rss, disk := r.watchMemory(), r.watchDisk(filepath.Dir(target))
	for _, reason := range b.reasons {
		r.waitFor(fmt.Sprintf("progress that ignores %q", reason), func(e event) bool { return e.Ignored[reason] > 0 })
	}
	receiver.open()
	s.event = r.done()
	s.took = time.Since(r.started).Seconds()
	s.arrived = receiver.count().seen.Packets - before.seen.Packets
	s.forged = stop()
	s.rss, s.disk = float64(rss())/1024, float64(disk())/mib
	wantSame(t, target, b.source)
	sending.kill()
	return s
}

// compare holds what the transfer took against that of one without an attack.
func (s siege) compare(t *testing.T, calm siege) {
	t.Helper()
	t.Logf("%v", s)
	t.Logf("against none: time ×%.2f, to collect ×%.2f, RSS ×%.2f, disk ×%.2f", s.took/calm.took, s.Collected/calm.Collected, s.rss/calm.rss, s.disk/calm.disk)
	const slackMemory, slackDisk = 16, 1 // MiB
	if most := 1.5*calm.rss + slackMemory; s.rss > most {
		t.Errorf("peak RSS %.1f MiB, want at most %.1f", s.rss, most)
	}
	if most := 1.2*calm.disk + slackDisk; s.disk > most {
		t.Errorf("peak disk use %.1f MiB, want at most %.1f", s.disk, most)
	}
}

// watchDisk begins to watch the space that the files of a directory take. The
// returned function returns the peak in bytes when the process has ended.
func (p *process) watchDisk(dir string) (peak func() int64) {
	var most int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ticker := time.NewTicker(10 * time.Millisecond); ; <-ticker.C {
			most = max(most, allocated(dir))
			select {
			case <-p.exited:
				return
			default:
			}
		}
	}()
	return func() int64 { <-ended; return most }
}

// allocated returns the bytes on disk of all files in a directory.
func allocated(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // renamed or removed meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return n
}
