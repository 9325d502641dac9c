// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"iotupd/proto"
)

// "With digests a forged shard costs a comparison, and perhaps one more decoding
// of its group." spec.md 11
func TestForgedPacketsSpoilNothing(t *testing.T) {
	const tenth = 10
	tests := []struct {
		name    string
		attack  func(t *testing.T, k known) attack
		reasons []string // to be counted
	}{
		{"1 parity in 10", func(_ *testing.T, k known) attack {
			return attack{forge: k.shard(proto.TypeParity), every: tenth}
		}, []string{"forged"}},
		{"1 data in 10", func(_ *testing.T, k known) attack {
			return attack{forge: k.shard(proto.TypeData), every: tenth}
		}, []string{"forged"}},
		{"1 data in 10, from the sender's address", func(_ *testing.T, k known) attack {
			return attack{forge: k.shard(proto.TypeData), every: tenth, spoof: k.from}
		}, []string{"forged"}},
		{"1 digest in 10", func(t *testing.T, k known) attack {
			return attack{forge: k.digest(t), every: tenth}
		}, []string{"digest"}},
		{"digests at full speed", func(t *testing.T, k known) attack {
			return attack{forge: k.digest(t)}
		}, []string{"digest"}},
		{"header bombs at full speed", func(_ *testing.T, k known) attack {
			return attack{forge: k.bomb}
		}, []string{"geometry", "length", "other-object"}},
	}
	source := newFile(t, siegeSize())
	calm := besiege(t, source, nil)
	t.Logf("no attack: %v", calm)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := besiege(t, source, func(x *intruder) (stop func() uint64) {
				return x.run(newRand(t), test.attack(t, x.learn()))
			})
			s.compare(t, calm)
			for _, reason := range test.reasons {
				if s.Ignored[reason] == 0 {
					t.Errorf("ignored %v, want %q among them", s.Ignored, reason)
				}
			}
		})
	}
}

func siegeSize() int64 {
	if full {
		return 64 * mib
	}
	return 4 * mib
}

// A siege is what a transfer took while somebody attacked it.
type siege struct {
	event
	forged  uint64  // datagrams sent by the intruder
	arrived uint64  // packets of all
	rss     float64 // peak, MiB
	disk    float64 // peak, MiB
}

func (s siege) String() string {
	return fmt.Sprintf("collected after %.2f s, done after %.2f s; RSS %.1f MiB, disk %.1f MiB; %d forged packets of %d; %d forged shards dropped, ignored %v",
		s.Collected, s.Seconds, s.rss, s.disk, s.forged, s.arrived, s.Forged, s.Ignored)
}

// besiege sends a file that somebody has begun to attack before the receiver
// started.
func besiege(t *testing.T, source string, begin func(*intruder) (stop func() uint64), flags ...string) (s siege) {
	t.Helper()
	l := newLab(t)
	sender, receiver, stranger := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	receiver.lose(10)
	target := newTarget(t)
	sending := sender.send(source, "--rate", "40M")
	stop := func() uint64 { return 0 }
	if begin != nil {
		x := newIntruder(stranger)
		sending.wait("sending")
		stop = begin(x)
	}
	before := receiver.count()
	r := receiver.recv(target, flags...)
	rss, disk := r.watchMemory(), r.watchDisk(filepath.Dir(target))
	s.event = r.done()
	s.arrived = receiver.count().seen.Packets - before.seen.Packets
	s.forged = stop()
	s.rss, s.disk = float64(rss())/1024, float64(disk())/mib
	wantSame(t, target, source)
	sending.kill()
	return s
}

// compare holds what the transfer took against that of one without an attack.
func (s siege) compare(t *testing.T, calm siege) {
	t.Helper()
	t.Logf("%v", s)
	t.Logf("against none: time to collect ×%.2f, RSS ×%.2f, disk ×%.2f", s.Collected/calm.Collected, s.rss/calm.rss, s.disk/calm.disk)
	const slackMemory, slackDisk = 16, 1 // MiB
	if most := 1.5*calm.rss + slackMemory; s.rss > most {
		t.Errorf("peak RSS %.1f MiB, want at most %.1f", s.rss, most)
	}
	if most := 1.2*calm.disk + slackDisk; s.disk > most {
		t.Errorf("peak disk use %.1f MiB, want at most %.1f", s.disk, most)
	}
}

// watchDisk begins to watch the space that the files of a directory take. What
// it returns gives the peak in bytes when the process has ended.
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
