// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"testing"
)

// All receivers of a trial join at the same place: one trial says nothing about
// others.
func TestOneRealTrialAtARandomPlaceHasNoIntervals(t *testing.T) {
	tests := []struct {
		join    Join
		trials  int
		bounded bool
	}{
		{JoinRandom, 1, false},
		{JoinRandom, 2, true},
		{JoinStart, 1, true},
	}
	for _, test := range tests {
		e := Experiment{Size: 10_000, Receivers: 30, Trials: test.trials, Join: test.join}
		r, err := e.RunNet(t.Context(), func(_ context.Context, c Case, _ int) (Trial, error) {
			all := make([]Outcome, c.Receivers)
			for i := range all {
				all[i] = Outcome{Done: true, Seconds: 1, Sent: uint64(10 + i), Received: 10}
			}
			return Trial{Outcomes: all}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mean, half := r.Rows[0].Sent.Mean, r.Rows[0].Sent.P50
		if got := mean.High < never && mean.Low > 0 && half.High < never && half.Low > 0; got != test.bounded {
			t.Errorf("join %s, %d trials: bounded %v (%v, %v), want %v", test.join, test.trials, got, mean, half, test.bounded)
		}
	}
}
