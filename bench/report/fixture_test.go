// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
	"strconv"

	"iotupd/bench"
)

// The fixtures have the figures of a study of 64 MiB files, with invented figures
// where the study lacks them. All is rounded, so that it does not differ between
// CPUs.

// lossSweep is of several schemes over the loss, the plain loop of which does
// not finish in time at the highest.
func lossSweep() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "sim", Seed: 1, Parameter: "loss",
		Parameters: []string{"size=64M", "shard-size=1280", "rate=10M", "senders=1"}}
	losses := []float64{0.01, 0.1, 0.3, 0.5, 0.9}
	for _, s := range []struct {
		scheme, code string
		mean         [5]float64
	}{
		{"loop", "no code: 52429 shards", [5]float64{2.82, 4.64, 6.72, 8.28, math.Inf(1)}},
		{"gf8:128+128", "gf8 128+128 x 410", [5]float64{1.032, 1.091, 1.155, 1.35, 1.70}},
		{"gf8:192+64", "gf8 192+64 x 274", [5]float64{1.023, 1.068, 1.54, 1.81, 2.36}},
		{"gf16:1009+1009", "gf16 1009+1009 x 52", [5]float64{1.007, 1.023, 1.040, 1.099, 1.41}},
		{"auto", "gf16 7490+7490 x 7", [5]float64{1.002, 1.005, 1.008, 1.021, 1.34}},
		{"raptorq", "law, no code: 1 x 52429, fails at K+n by 100^-(n+1)", [5]float64{1, 1, 1, 1, 1}},
		{"ideal", "bound: any 52429 packets", [5]float64{1, 1, 1, 1, 1}},
	} {
		for i, p := range losses {
			row := fixtureRow(s.scheme, s.code, s.mean[i], 1000)
			row.X, row.XValue, row.P = strconv.Itoa(int(math.Round(p*100)))+"%", p, p
			row.Loss = "bernoulli:" + row.X
			row.Times = times(row.Sent, 53.7/(1-p), 1)
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// burstSweep is of the same mean loss in bursts of growing length.
func burstSweep() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "sim", Seed: 7, Parameter: "burst",
		Parameters: []string{"size=64M", "loss=10%", "rate=10M"}}
	bursts := []int{1, 5, 20, 100, 1000}
	for _, s := range []struct {
		scheme, code string
		mean, p99    [5]float64
	}{
		{"gf16:4033+4033", "gf16 4033+4033 x 13", [5]float64{1.008, 1.005, 1.003, 1.001, 1.001}, [5]float64{1.016, 1.017, 1.021, 1.052, 1.170}},
		{"gf8:192+64", "gf8 192+64 x 274", [5]float64{1.067, 1.063, 1.051, 1.029, 1.012}, [5]float64{1.098, 1.103, 1.092, 1.084, 1.346}},
		{"loop", "no code: 52429 shards", [5]float64{4.64, 4.45, 3.95, 3.31, 2.22}, [5]float64{7.01, 5.83, 5.68, 5.24, 3.92}},
	} {
		for i, burst := range bursts {
			row := fixtureRow(s.scheme, s.code, s.mean[i], 400)
			row.Sent.P99 = bench.Estimate{Value: s.p99[i], Low: round(s.p99[i] - (s.p99[i]-1)/9), High: round(s.p99[i] + (s.p99[i]-1)/7)}
			row.Sent.Slowest = round(float64(s.p99[i]*1.02) + 0.003)
			row.Sent.CDF = cdf(row.Sent)
			row.X, row.XValue, row.P = strconv.Itoa(burst), float64(burst), 0.1
			row.Loss = "gilbert:10%,burst=" + row.X
			row.Times = times(row.Sent, 59.6, 1)
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// senderSweep has one scheme that gains by every sender and one that does not
// quite.
func senderSweep() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "sim", Seed: 1, Parameter: "senders", Parameters: []string{"size=16M", "loss=5%", "rate=10M"}}
	for _, s := range []struct {
		scheme string
		mean   [6]float64
	}{
		{"auto", [6]float64{1.002, 1.004, 1.006, 1.007, 1.009, 1.01}},
		{"loop", [6]float64{3.7, 3.8, 4.1, 4.0, 4.3, 4.4}},
	} {
		for i, mean := range s.mean {
			row := fixtureRow(s.scheme, "", mean, 200)
			row.X, row.XValue, row.Senders, row.P, row.Loss = strconv.Itoa(i+1), float64(i+1), i+1, 0.05, "bernoulli:5%"
			row.Times = times(row.Sent, 14.1, i+1)
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// sizeSweep is of the exact model, which has no intervals and no times of trials.
func sizeSweep() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "model", Seed: 1, Parameter: "size", Parameters: []string{"loss=10%", "receivers=1000000"}}
	for _, s := range []struct {
		scheme string
		mean   [4]float64
	}{
		{"auto", [4]float64{1.001, 1.003, 1.005, 1.008}},
		{"gf8:128+128", [4]float64{1.05, 1.075, 1.091, 1.141}},
		{"loop", [4]float64{3.3, 4.0, 4.64, 6.61}},
	} {
		for i, size := range []struct {
			text  string
			bytes float64
		}{{"1M", 1 << 20}, {"16M", 1 << 24}, {"64M", 1 << 26}, {"10G", 10 << 30}} {
			row := fixtureRow(s.scheme, "code for "+size.text, s.mean[i], 1000000)
			for _, e := range []*bench.Estimate{&row.Sent.Mean, &row.Sent.P50, &row.Sent.P90, &row.Sent.P99, &row.Received.Mean} {
				*e = certain(e.Value)
			}
			row.Trials, row.Receivers, row.Completed = 1, 1000000, 1000000
			row.X, row.XValue, row.P, row.Loss = size.text, size.bytes, 0.1, "bernoulli:10%"
			row.Times = times(row.Sent, size.bytes*8/9e6, 1)
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// oneNet is one point of mode net: no sweep, and measured figures.
func oneNet() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "net", Seed: 3, Parameters: []string{"size=64M", "loss=5%", "rate=100M", "receivers=4"}}
	for i, scheme := range []string{"auto", "auto:fast", "loop"} {
		row := fixtureRow(scheme, "", []float64{1.004, 1.06, 3.9}[i], 4)
		row.Sent.P99.High, row.Sent.P90.High = math.Inf(1), math.Inf(1)
		row.Trials, row.Receivers, row.Completed, row.P, row.Loss = 1, 4, 4, 0.05, "bernoulli:5%"
		row.Times = times(row.Sent, 5.65, 1)
		row.Measured = &bench.Measured{EncodeBytesPerSecond: 1.62e9, DecodeBytesPerSecond: 6.5e8, SenderCPUSeconds: 0.84,
			ReceiverCPUSeconds: 1.2, SenderPeakBytes: 171 << 20, ReceiverPeakBytes: 96 << 20, OwnDrops: uint64(i) * 1204}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// pollution is of forged packets, with digests and without.
func pollution() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "sim", Seed: 1, Parameter: "forged", Parameters: []string{"size=1M", "loss=none"}}
	never := math.Inf(1)
	for i, share := range []float64{0, 0.001, 0.1, 0.5} {
		for _, s := range []struct {
			scheme          string
			mean            [4]float64
			failed, refused [4]float64
		}{
			{"digests", [4]float64{1, 1.02, 1.1, 1.4}, [4]float64{}, [4]float64{0, 0.5, 0.45, 0.4}},
			{"no digests", [4]float64{1, never, never, never}, [4]float64{0, 0.05, 0.3, 1}, [4]float64{}},
		} {
			row := fixtureRow(s.scheme, "gf16 911+2048 x 1", s.mean[i], 100)
			row.X, row.XValue, row.Loss = []string{"0%", "0.1%", "10%", "50%"}[i], share, "none"
			row.Times = times(row.Sent, 0.9, 1)
			failed := s.failed[i]
			heard := uint64(100_000 * share)
			row.Forged = &bench.Forged{Heard: heard, Refused: uint64(float64(heard) * s.refused[i]), Stored: heard / 3,
				Failed: bench.Estimate{Value: failed, Low: round(failed * 0.5), High: round(float64(failed*0.5) + 0.5)}}
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// layers is of receivers behind bottlenecks, some of which starve.
func layers() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "sim", Seed: 1, Parameter: "bottleneck", Parameters: []string{"size=16M", "loss=none", "layers=4"}}
	for i, rate := range []float64{9e5, 2.5e6, 1e7, 4e7} {
		mean := [4]float64{math.Inf(1), 1.03, 1.5, 2.5}[i]
		row := fixtureRow("4 layers", "gf16 7282+7282 x 2", mean, 100)
		row.X, row.XValue, row.Loss = []string{"900 kbit/s", "2.5 Mbit/s", "10 Mbit/s", "40 Mbit/s"}[i], rate, "none"
		row.Times = times(row.Sent, 9.2*float64(int(8)>>i), 1)
		row.Layered = &bench.Layered{Carries: [4]int{0, 0, 2, 3}[i], Levels: make([]float64, 4)}
		row.Layered.Levels[row.Layered.Carries] = 0.996
		switch i {
		case 0:
			row.Layered.Off, row.Layered.Levels[0], row.Layered.Lost = 0.682, 0.318, 0.55
		case 3:
			row.Layered.Levels[3] = 1
		default:
			row.Layered.Levels[row.Layered.Carries+1], row.Layered.Lost, row.Layered.Changes = 0.004, 0.0067, 47.6
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// set is of several files, one share of which starves a receiver.
func set() bench.Result {
	r := bench.Result{Format: bench.ResultFormat, Mode: "sim", Seed: 1, Parameter: "case",
		Parameters: []string{"size=210M", "loss=bernoulli:5%", "objects=1M*10,100M*2"}}
	for i, want := range []string{"random", "start", "all"} {
		for j, share := range []string{"sqrt", "size", "shortest"} {
			mean := [3][3]float64{{1.362, 2.001, 1.615}, {1.362, 2, 1.159}, {1.436, 1.012, math.Inf(1)}}[i][j]
			row := fixtureRow(share, "10 of gf16 911+2048 x 1, 2 of gf16 7002+16384 x 13", mean, 100)
			row.X, row.XValue, row.P, row.Loss = want, float64(i+1), 0.05, "bernoulli:5%"
			row.Times = times(row.Sent, 204, 1)
			row.Set = &bench.SetFigures{Optimum: [3]float64{0.249, 0.149, 1}[i], Constant: [3]float64{0.357, 0.357, 1}[i]}
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// fixtureRow makes up a row for n receivers around the mean of what is sent.
// If that is infinite, 30 of n receivers never completed.
func fixtureRow(scheme, code string, mean float64, n int) bench.Row {
	r := bench.Row{Scheme: scheme, Code: code, Trials: n / 50, Receivers: 50, Completed: n, Senders: 1, Overhead: 0.0082}
	finite := mean
	if math.IsInf(mean, 1) {
		r.Completed = n - 30
		finite = 10
	}
	x := finite - 1 // every product is rounded before it is added to, against fusing
	around := func(share, tail float64) bench.Estimate {
		v := 1 + float64(x*share)
		return bench.Estimate{Value: round(v), Low: round(v - float64(x*tail)), High: round(v + float64(x*tail))}
	}
	s := &r.Sent
	s.N = n
	s.Mean, s.P50, s.P90, s.P99 = around(1, 0.02), around(0.95, 0.03), around(1.35, 0.05), around(1.8, 0.11)
	s.Slowest = round(1 + float64(x*2.1))
	s.CDF = cdf(*s)
	if math.IsInf(mean, 1) {
		s.Mean = bench.Estimate{Value: mean, Low: mean, High: mean}
		s.P99, s.Slowest = s.Mean, mean
		s.CDF = s.CDF[:len(s.CDF)-2]
	}
	r.Received = bench.Summary{N: n, Mean: bench.Estimate{Value: round(finite * 1.001), Low: round(finite), High: round(finite * 1.002)},
		P50: certain(round(finite)), P90: certain(round(finite * 1.1)), P99: certain(round(finite * 1.2)), Slowest: round(finite * 1.3)}
	return r
}

// cdf makes up the distribution that has the quantiles of s.
func cdf(s bench.Summary) []bench.Point {
	known := []bench.Point{{X: round(1 + float64((s.P50.Value-1)*0.55)), Y: 0}, {X: s.P50.Value, Y: 0.5},
		{X: s.P90.Value, Y: 0.9}, {X: s.P99.Value, Y: 0.99}, {X: s.Slowest, Y: 1}}
	curve := known[:1:1]
	for i := 1; i < len(known); i++ {
		a, b := known[i-1], known[i]
		const steps = 3
		for j := 1; j <= steps; j++ {
			f := float64(j) / steps
			curve = append(curve, bench.Point{X: round(a.X + float64((b.X-a.X)*f)), Y: round(a.Y + float64((b.Y-a.Y)*f))})
		}
	}
	return curve
}

// times makes up times for a file that takes an ideal code so many seconds.
func times(s bench.Summary, ideal float64, senders int) bench.Times {
	at := func(x float64) float64 {
		if math.IsInf(x, 1) {
			return 0
		}
		return round(x * ideal / float64(senders))
	}
	t := bench.Times{Half: at(s.P50.Value), Most: at(s.P90.Value), Nearly: at(s.P99.Value), All: at(s.Slowest)}
	if mean := at(s.Mean.Value); mean > 0 {
		t.Goodput = math.Round(9e6 * ideal / mean)
	}
	return t
}

// round returns v with six significant digits.
func round(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	return r
}
