// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"
)

// openTest opens the traces of the tests, by name.
func openTest(name string) (io.ReadCloser, error) {
	text, ok := map[string]string{
		"field":     "iotupd-trace 1\n# a street\n10 2\n1 3\n4 0\n",
		"begins":    "iotupd-trace 1\n0 1\n3 1\n",
		"one":       "iotupd-trace 1\n1 0\n",
		"empty":     "iotupd-trace 1\n",
		"broken":    "iotupd-trace 1\n10\n",
		"not,a=one": "no trace\n",
	}[name]
	if !ok {
		return nil, errors.New("open " + name + ": " + fs.ErrNotExist.Error())
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func mustRead(t testing.TB, s string) Loss {
	t.Helper()
	l, err := ReadLoss(s, openTest)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLossRoundTrip(t *testing.T) {
	tests := []struct {
		in, want string // want is empty if it is in
		mean     float64
	}{
		{"none", "", 0},
		{"bernoulli:0", "bernoulli:0%", 0},
		{"bernoulli:0.05", "bernoulli:5%", 0.05},
		{"bernoulli:99.9999999999999999%", "", 1},
		{"gilbert:10%,burst=5", "", 0.1},
		{"gilbert:burst=05.50,.1", "gilbert:10%,burst=5.5", 0.1}, // unusual, but clear
		{"gilbert:0%,burst=1", "", 0},
		{"gilbert:50%,burst=1", "", 0.5}, // every second packet
		{"gilbert:99%,burst=1000000000", "", 0.99},
		{"ge:p=1%,r=10%,h=50%,k=99.9%", "", 0.1/11*5 + 0.01/11},
		{"ge:k=99.9%,h=0.5,r=0.1,p=0.01", "ge:p=1%,r=10%,h=50%,k=99.9%", 0.1/11*5 + 0.01/11},
		{"ge:p=5%", "ge:p=5%,r=95%,h=0%,k=100%", 0.05},
		{"ge:p=1%,r=9%", "ge:p=1%,r=9%,h=0%,k=100%", 0.1},
		{"ge:p=0%,r=1%,h=0%,k=75%", "", 0.25},
		{"ge:p=1%,r=0%", "ge:p=1%,r=0%,h=0%,k=100%", 1},
		{"periodic:20", "", 0.05},
		{"periodic:1", "", 1},
		{"periodic:1000000000", "", 1e-9},
		{"trace:field", "", 0.25},
		{"trace:begins", "", 0.4},
		{"trace:one", "", 0},
		{"mix:100%*none", "", 0},
		{"mix:80%*bernoulli:1%+20%*gilbert:15%,burst=8", "", 0.038},
		{"mix:.5*trace:field+0.25*periodic:2+25%*ge:p=5%", "mix:50%*trace:field+25%*periodic:2+25%*ge:p=5%,r=95%,h=0%,k=100%", 0.2625},
	}
	for _, test := range tests {
		if test.want == "" {
			test.want = test.in
		}
		l, err := ReadLoss(test.in, openTest)
		if err != nil || l.String() != test.want || math.Abs(l.MeanLoss()-test.mean) > 1e-15 {
			t.Errorf("%q: got %v with mean %v, %v; want %s with %v", test.in, l, l.MeanLoss(), err, test.want, test.mean)
			continue
		}
		if again, err := ReadLoss(l.String(), openTest); err != nil || again.String() != l.String() {
			t.Errorf("%q: got %v, %v when read back from %q", test.in, again, err, l)
		}
	}
	if l := (Loss{}); l.String() != "none" || l.MeanLoss() != 0 {
		t.Errorf("the zero Loss is %q with mean %v, want none with 0", l, l.MeanLoss())
	}
}

func TestProbability(t *testing.T) {
	tests := []struct {
		in, want  string
		threshold uint64
	}{
		{"0", "0%", 0},
		{"0%", "0%", 0},
		{"5%", "5%", 461168601842738790}, // 0.05 * 2^63 = ...790.4
		{"0.05", "5%", 461168601842738790},
		{"05.0%", "5%", 461168601842738790},
		{".5", "50%", 1 << 62},
		{"12.5%", "12.5%", 1 << 60},
		{"0.000000000000000001", "0.0000000000000001%", 9}, // 9.2
		{"99.9999999999999999%", "99.9999999999999999%", 1<<63 - 9},
		{"100%", "100%", 1 << 63},
	}
	for _, test := range tests {
		p, err := ParseProbability(test.in)
		if err != nil || p.String() != test.want || p.threshold() != test.threshold {
			t.Errorf("%q: got %v with threshold %d, %v; want %s with %d", test.in, p, p.threshold(), err, test.want, test.threshold)
		}
		if again, err := ParseProbability(p.String()); err != nil || again != p {
			t.Errorf("%q: got %v, %v when parsed back from %q", test.in, again, err, p)
		}
	}
	if got := (2 * Percent).String(); got != "2%" {
		t.Errorf("2*Percent is %s", got)
	}
}

// Thresholds that no decimal text gives: 2^63/3 and the like, rounded.
func TestThresholdsAreExact(t *testing.T) {
	tests := []struct {
		loss string
		want chain
	}{
		{"gilbert:25%,burst=1", chain{1 << 61, 3074457345618258603, 0}},
		{"gilbert:50%,burst=2", chain{1 << 62, 1 << 62, 1 << 62}},
		{"gilbert:50%,burst=3", chain{1 << 62, 3074457345618258603, 6148914691236517205}},
		{"gilbert:75%,burst=3", chain{3 << 61, 1 << 63, 6148914691236517205}},
	}
	for _, test := range tests {
		if got := *mustRead(t, test.loss).start(nil).(*chain); got != test.want {
			t.Errorf("%s: got %v, want %v", test.loss, got, test.want)
		}
	}
	e := mustRead(t, "ge:p=1%,r=2%,h=25%,k=100%").start(newSource(Key{}, lossDomain)).(*elliott)
	if want := (elliott{e.state, 3074457345618258603, [2]uint64{92233720368547758, 184467440737095516}, [2]uint64{0, 3 << 61}}); *e != want {
		t.Errorf("ge: got %v, want %v", *e, want)
	}
}

func TestLossRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       `no model ""; there are: none | bernoulli:5% | gilbert:10%,burst=5 | ge:`,
		"Bernoulli:5%":                           "there are: none | bernoulli:5%",
		"5%":                                     "there are: none | bernoulli:5%",
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

		"gilbert":                      "a probability",
		"gilbert:10%":                  `mean length of a burst from 1 to 1000000000, as in 10%,burst=5, not ""`,
		"gilbert:10%,5":                `two values for one parameter: "5"`,
		"gilbert:10%,burst=5,x=1":      `cannot read "x=1": there are burst=`,
		"gilbert:10%,burst=0.99":       "mean length of a burst",
		"gilbert:10%,burst=-5":         "mean length of a burst",
		"gilbert:10%,burst=1e3":        "mean length of a burst",
		"gilbert:10%,burst=1/3":        "mean length of a burst",
		"gilbert:10%,burst=5%":         "mean length of a burst",
		"gilbert:1%,burst=1000001000.": "mean length of a burst",
		"gilbert:60%,burst=1":          "bursts of 1 lose at most 50.00%",
		"gilbert:100%,burst=5":         "bursts of 5 lose at most 83.33%",

		"ge":                   `cannot read "": there are p= r= h= k=`,
		"ge:1%,10%":            `cannot read "1%": there are p= r= h= k=`,
		"ge:r=1%":              "p wants a probability",
		"ge:p=1%,r=x":          "r wants a probability",
		"ge:p=1%,p=2%":         `two values for one parameter: "p=2%"`,
		"ge:p=0%,r=0%":         "p or r above 0",
		"ge:p=1%,r=10%,h=,k=0": "h wants a probability",

		"periodic":            "a number of packets from 1 to 1000000000",
		"periodic:0":          "a number of packets",
		"periodic:-1":         "a number of packets",
		"periodic:5%":         "a number of packets",
		"periodic:1000000001": "a number of packets",
		"trace":               "the name of a file",
		"trace:missing":       "open missing: file does not exist",
		"trace:empty":         `"empty" holds no packets`,
		"trace:broken":        `"broken": trace line 2: wants the packets received and lost, as in 120 3, not "10"`,
		"trace:not,a=one":     `trace line 1: wants "iotupd-trace 1", not "no trace"`,

		"mix":                            `SHARE*MODEL+SHARE*MODEL`,
		"mix:50%*none+bernoulli:1%":      `not "bernoulli:1%"`,
		"mix:50%*none+50%*x":             `mix loss "x": there is no model "x"`,
		"mix:50%*none+40%*none":          "add up to 100%, not to 90%",
		"mix:50%*none+50%*none+50%*none": "add up to 100%, not to 150%",
		"mix:100%*none+0%*none":          `shares above 0, not "0%*none"`,
		"mix:1*none":                     "did you mean 1%?",
		"mix:100%*mix:100%*none":         "another mix",
		"mix:100%*trace:missing":         "open missing",
		"mix:100%*gilbert:60%,burst=1":   `mix loss "gilbert:60%,burst=1": gilbert wants`,
	} {
		got, err := ReadLoss(in, openTest)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, %v; want one line about %q", in, got, err, want)
		}
	}
	if _, err := ParseLoss("mix:100%*trace:field"); err == nil || !strings.Contains(err.Error(), "files cannot be read") {
		t.Errorf("a trace without a way to open it: got %v", err)
	}
}

func FuzzReadLoss(f *testing.F) {
	for _, in := range []string{
		"none", "bernoulli:5%", "bernoulli:0.05", "bernoulli:", "gilbert:10%,burst=5", "gilbert:66.7%,burst=2.01",
		"ge:p=1%,r=10%,h=50%,k=99.9%", "ge:p=1%", "periodic:20", "trace:field", "trace:begins",
		"mix:80%*bernoulli:1%+20%*gilbert:15%,burst=8", "mix:50%*trace:one+50%*none", "x:1,y=2",
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		l, err := ReadLoss(in, openTest)
		if err != nil {
			return
		}
		again, err := ReadLoss(l.String(), openTest)
		if err != nil || again.String() != l.String() || again.MeanLoss() != l.MeanLoss() {
			t.Fatalf("%q: got %v, %v when read back from %q", in, again, err, l)
		}
		if m := l.MeanLoss(); m < 0 || m > 1 {
			t.Errorf("%q: mean loss is %v", in, m)
		}
		a, b := l.Stream(Key{Seed: 1}), again.Stream(Key{Seed: 1})
		for i := range 100 {
			if a.Lost() != b.Lost() {
				t.Fatalf("%q and %q differ at packet %d", in, l, i)
			}
		}
	})
}
