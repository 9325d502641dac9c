// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"strings"
	"testing"
)

func TestSweeps(t *testing.T) {
	tests := map[string]string{
		"loss=0:30%:10%":         "loss=0%,10%,20%,30%",
		"loss=0:1%:0.3%":         "loss=0%,0.3%,0.6%,0.9%",
		"loss=0.05,1%":           "loss=5%,1%",
		"parity=0:100%:50%":      "parity=0%,50%,100%",
		"parity=300%":            "parity=300%",
		"burst=1:1000:x10":       "burst=1,10,100,1000",
		"burst=1.5,20":           "burst=1.5,20",
		"burst=1:3":              "burst=1,2,3",
		"burst=1:2:0.5":          "burst=1,1.5,2",
		"size=1M:64M:x8":         "size=1M,8M,64M",
		"size=1000,1G":           "size=1000,1G",
		"senders=1:4":            "senders=1,2,3,4",
		"receivers=1:1000:x10":   "receivers=1,10,100,1000",
		"receivers=1000000":      "receivers=1000000",
		"size=1:1024G:x1000000":  "size=1,1000000,976562500K",
		"receivers=1:7:1000000":  "receivers=1",
		"loss=12.5%:12.5%:0.01%": "loss=12.5%",
	}
	for in, want := range tests {
		w, err := ParseSweep(in)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := w.String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		if again := mustSweep(t, want); again.String() != want {
			t.Errorf("%s reads as %s", want, again)
		}
	}
}

func TestSweepErrors(t *testing.T) {
	tests := map[string]string{
		"":                  SweepForms,
		"colour=1,2":        SweepForms,
		"loss":              "probability",
		"loss=5":            "percent sign",
		"loss=0:30%":        "FROM:TO:STEP",
		"loss=0:10%:0":      "above 0",
		"loss=0:10%:x2":     "values above 0",
		"loss=10%:0:1%":     "no value",
		"loss=0:100%:0.01%": "more than 1000",
		"burst=0.5":         "from 1 to",
		"burst=many":        "packets",
		"senders=17":        "from 1 to 16",
		"receivers=0":       "from 1 to",
		"receivers=1.5":     "whole number",
		"parity=301%":       "to 300%",
		"size=0:1M:x2":      "from 1 to",
		"size=1M:8M:x1":     "factor from 2",
		"senders=1:4:x2:3":  "FROM:TO:STEP",
	}
	for in, want := range tests {
		if _, err := ParseSweep(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", in, err, want)
		}
	}
}

func TestASweepOfLossKeepsTheKindOfLoss(t *testing.T) {
	tests := []struct{ loss, sweep, want string }{
		{"none", "loss=5%", "bernoulli:5%"},
		{"bernoulli:1%", "loss=5%", "bernoulli:5%"},
		{"gilbert:10%,burst=8", "loss=5%", "gilbert:5%,burst=8"},
		{"gilbert:10%,burst=8", "burst=20", "gilbert:10%,burst=20"},
		{"bernoulli:10%", "burst=2.5", "gilbert:10%,burst=2.5"},
		{"periodic:20", "senders=2", "periodic:20"},
	}
	for _, test := range tests {
		e := Experiment{Loss: mustLoss(t, test.loss), Sweep: mustSweep(t, test.sweep)}.withDefaults()
		points, err := e.points()
		if err != nil {
			t.Error(err)
			continue
		}
		if got := points[0].Loss.String(); got != test.want {
			t.Errorf("%s with %s: got %s, want %s", test.loss, test.sweep, got, test.want)
		}
	}
	for _, test := range tests[:2] {
		e := Experiment{Loss: mustLoss(t, "periodic:20"), Sweep: mustSweep(t, test.sweep)}.withDefaults()
		if _, err := e.points(); err == nil || !strings.Contains(err.Error(), "periodic:20") {
			t.Errorf("periodic loss with %s: got %v, want an error that names it", test.sweep, err)
		}
	}
}
