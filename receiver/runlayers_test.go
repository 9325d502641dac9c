// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"iotupd/receiver"
	"iotupd/sender"
)

// A scripted policy changes the level after so many packets, and later at a time.
type scripted struct {
	packets int
	levels  map[int]int // by the number of packets after which they are decided
	breaks  time.Time   // when it goes to level 2; zero: never
	level   int
}

func (s *scripted) Hear(now time.Time, packets []receiver.Heard) {
	for range packets {
		s.packets++
		if level, ok := s.levels[s.packets]; ok {
			s.level = level
		}
	}
}

func (s *scripted) Tick(now time.Time) {
	if !s.breaks.IsZero() && !now.Before(s.breaks) {
		s.breaks, s.level = time.Time{}, 2
	}
}

func (s *scripted) Wake() time.Time { return s.breaks }
func (s *scripted) Level() int      { return s.level }

func TestNothingWaitsForJoiningALayer(t *testing.T) {
	// "It may block: it runs on a goroutine of its own, one call at a time, and a
	// level that is out of date before its turn is skipped."
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		policy := &scripted{levels: map[int]int{20: 1, 40: -1, 60: 3}}
		var decided, joined []int
		var joining time.Time
		b.send(0, sender.Config{Rate: 1_000_000}) // 460 packets a second
		err := b.run(b.t.Context(), receiver.RunOptions{
			Layers:       policy,
			LevelChanged: func(_ time.Time, level int) { decided = append(decided, level) },
			Join: func(level int) {
				joining = time.Now()
				time.Sleep(200 * time.Millisecond)
				joined = append(joined, level)
			},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.wantFile()
		if want := []int{1, -1, 3}; !slices.Equal(decided, want) {
			b.t.Errorf("decided for levels %v, want %v", decided, want)
		}
		joined = slices.DeleteFunc(joined[:], func(level int) bool { return level < 0 }) // at the end
		if want := []int{1, 3}; !slices.Equal(joined, want) || time.Since(joining) < 200*time.Millisecond {
			b.t.Errorf("joined %v, the last one %v ago, want %v before the end", joined, time.Since(joining), want)
		}
	})
}

func TestAPolicyIsAskedWhenItWantsToWake(t *testing.T) {
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		began, over := time.Now(), errors.New("over")
		policy := &scripted{breaks: began.Add(7 * time.Second)}
		var woke time.Duration
		ctx, cancel := context.WithTimeoutCause(b.t.Context(), 10*time.Second, over)
		defer cancel()
		err := b.run(ctx, receiver.RunOptions{
			Layers:       policy,
			LevelChanged: func(now time.Time, _ int) { woke = now.Sub(began) },
		})
		if err != over || woke != 7*time.Second {
			b.t.Errorf("error %v, woke after %v, want 7 s", err, woke)
		}
	})
}

func TestRunPassesOnWhatIsHeard(t *testing.T) {
	// "called after every batch with the undamaged packets of the chosen object that
	// were in it"
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		var numbers []uint32
		b.send(0, sender.Config{Rate: 1_000_000})
		err := b.run(b.t.Context(), receiver.RunOptions{Heard: func(_ time.Time, packets []receiver.Heard) {
			for _, p := range packets {
				numbers = append(numbers, p.Seq)
			}
		}})
		if err != nil {
			b.t.Fatal(err)
		}
		for i, n := range numbers {
			if n != numbers[0]+uint32(i) {
				b.t.Fatalf("packet %d has number %d, the first one %d", i, n, numbers[0])
			}
		}
		if p := b.r.Progress(); uint64(len(numbers)) != p.Data+p.Parity+p.Manifests {
			b.t.Errorf("heard %d packets, want %d", len(numbers), p.Data+p.Parity+p.Manifests)
		}
	})
}

func TestNoSocketIsClosedWhileALayerIsJoined(t *testing.T) {
	// Join uses what the sockets belong to: a membership that fails because its
	// socket was closed meanwhile would be reported as a fault of the network.
	inBubble(t, smallSource(t), 1, func(b *bubble) {
		ctx, cancel := context.WithCancel(b.t.Context())
		joined := 0
		b.send(0, sender.Config{Rate: 1_000_000})
		err := b.run(ctx, receiver.RunOptions{
			Layers: &scripted{levels: map[int]int{20: 1}},
			Join: func(int) {
				cancel()
				time.Sleep(200 * time.Millisecond)
				select {
				case <-b.wires[0].closed:
					b.t.Error("a socket was closed")
				default:
					joined++
				}
			},
		})
		if err != context.Canceled || joined != 1 {
			b.t.Errorf("error %v, joined %d times", err, joined)
		}
	})
}
