// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"strings"
	"testing"
)

func TestParseLossRoundTrip(t *testing.T) {
	tests := []struct {
		in, want  string
		threshold uint64
	}{
		{"none", "none", 0},
		{"bernoulli:0", "bernoulli:0%", 0},
		{"bernoulli:0%", "bernoulli:0%", 0},
		{"bernoulli:5%", "bernoulli:5%", 461168601842738790}, // 0.05 * 2^63 = ...790.4
		{"bernoulli:0.05", "bernoulli:5%", 461168601842738790},
		{"bernoulli:05.0%", "bernoulli:5%", 461168601842738790},
		{"bernoulli:.5", "bernoulli:50%", 1 << 62},
		{"bernoulli:12.5%", "bernoulli:12.5%", 1 << 60},
		{"bernoulli:0.000000000000000001", "bernoulli:0.0000000000000001%", 9}, // 9.2
		{"bernoulli:99.9999999999999999%", "bernoulli:99.9999999999999999%", 1<<63 - 9},
		{"bernoulli:100%", "bernoulli:100%", 1 << 63},
	}
	for _, test := range tests {
		l, err := ParseLoss(test.in)
		if err != nil || l.String() != test.want || l.mean.threshold() != test.threshold {
			t.Errorf("%q: got %v with threshold %d, %v; want %s with %d", test.in, l, l.mean.threshold(), err, test.want, test.threshold)
		}
		if again, err := ParseLoss(l.String()); err != nil || again != l {
			t.Errorf("%q: got %v, %v when parsed back from %q", test.in, again, err, l)
		}
	}
	if got := (Loss{}).String(); got != "none" {
		t.Errorf("the zero Loss is %q, want none", got)
	}
}

func TestParseLossRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "there are: none, bernoulli:P",
		"Bernoulli:5%":                           "there are: none, bernoulli:P",
		"gilbert:10%,burst=5":                    `no model "gilbert"; there are: none, bernoulli:P`,
		"none:5%":                                "no parameter",
		"bernoulli":                              `a probability, as in 5% or 0.05, not ""`,
		"bernoulli:":                             "a probability",
		"bernoulli:%":                            "a probability",
		"bernoulli:5%%":                          "a probability",
		"bernoulli:5%,x":                         "a probability",
		"bernoulli:-5%":                          "a probability",
		"bernoulli:1/3":                          "a probability",
		"bernoulli:1e-3":                         "a probability",
		"bernoulli:0x1":                          "a probability",
		"bernoulli:1_0%":                         "a probability",
		"bernoulli:NaN":                          "a probability",
		"bernoulli:0.5.5":                        "a probability",
		"bernoulli:5\n":                          "a probability",
		"bernoulli:5":                            "did you mean 5%?",
		"bernoulli:1":                            "did you mean 1%?",
		"bernoulli:101%":                         "at most 100%",
		"bernoulli:100.00000001%":                "at most 100%",
		"bernoulli:0.00000000000000001%":         "fewer decimals",
		"bernoulli:" + strings.Repeat("9", 1000): "a probability",
	} {
		got, err := ParseLoss(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, %v; want one line about %q", in, got, err, want)
		}
	}
}

func FuzzParseLoss(f *testing.F) {
	for _, in := range []string{"none", "bernoulli:5%", "bernoulli:0.05", "bernoulli:", "x:1,y=2"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		l, err := ParseLoss(in)
		if err != nil {
			return
		}
		if again, err := ParseLoss(l.String()); err != nil || again != l {
			t.Errorf("%q: got %v, %v when parsed back from %q", in, again, err, l)
		}
		if l.mean.threshold() > 1<<63 {
			t.Errorf("%q: threshold %d is over 2^63", in, l.mean.threshold())
		}
	})
}
