// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"math"
	"math/rand/v2"
	"slices"

	"iotupd/bench/stats"
)

const (
	// digits of every figure: more than any sample supports.
	digits = 6
	// curvePoints of a CDF.
	curvePoints = 100
	// mostResampled bounds the samples that are bootstrapped, and so the time in
	// which the run cannot be canceled: about 0.1 s.
	mostResampled = 10_000
)

// head is the row of c without its figures.
func (c *cell) head() Row {
	return Row{
		Scheme: c.scheme.String(), Code: c.scheme.describe(c.geo),
		X: c.x, XValue: c.xValue,
		Loss: c.Loss.String(), P: stats.Round(c.Loss.MeanLoss(), digits),
		Trials: c.Trials, Receivers: c.Receivers, Senders: c.Senders,
	}
}

// row returns the row of what became of all receivers, trial by trial.
func (c *cell) row(outcomes []outcome) Row {
	r := c.head()
	sent, received := make([]float64, len(outcomes)), make([]float64, len(outcomes))
	var total traffic
	for i, o := range outcomes {
		sent[i], received[i] = never, never
		if o.done {
			r.Completed++
			shards := float64(c.geo.DataShards)
			sent[i] = float64(o.sent) * (1 - o.loss) / shards
			received[i] = float64(o.received) / shards
		}
		total.shards += o.sent
		total.others += o.others
	}
	r.Sent, r.Received = c.summary(sent), c.summary(received)
	r.Sent.CDF = curve(sent)
	if total.shards > 0 {
		r.Overhead = stats.Round(float64(total.others)/float64(total.shards), digits)
	}
	r.Times = c.times(outcomes)
	return r
}

// summary describes the values of all receivers, which are independent.
func (c *cell) summary(values []float64) Summary {
	s := stats.NewSample(values)
	var mean stats.Estimate
	if s.N() > mostResampled {
		mean = s.MeanEstimate()
	} else {
		mean = s.Bootstrap(rand.New(rand.NewPCG(c.Seed, 0)), stats.Sample.Mean)
	}
	return Summary{
		N:       s.N(),
		Mean:    rounded(mean),
		P50:     rounded(s.QuantileEstimate(0.5)),
		P90:     rounded(s.QuantileEstimate(0.9)),
		P99:     rounded(s.QuantileEstimate(0.99)),
		Slowest: stats.Round(s.Quantile(1), digits),
	}
}

func rounded(e stats.Estimate) Estimate {
	return Estimate{stats.Round(e.Value, digits), stats.Round(max(e.Low, 0), digits), stats.Round(e.High, digits)}
}

// curve returns the share of receivers that were done by some values, each
// value once.
func curve(values []float64) []Point {
	s := stats.NewSample(values)
	var all []Point
	for i := 1; i <= curvePoints; i++ {
		p := Point{X: stats.Round(s.Quantile(float64(i)/curvePoints), digits), Y: float64(i) / curvePoints}
		if math.IsInf(p.X, 1) {
			break
		}
		if n := len(all); n > 0 && all[n-1].X == p.X {
			all = all[:n-1]
		}
		all = append(all, p)
	}
	return all
}

// times returns the means over the trials.
func (c *cell) times(outcomes []outcome) Times {
	var t Times
	shares := []struct {
		of    float64
		field *float64
	}{{0.5, &t.Half}, {0.9, &t.Most}, {0.99, &t.Nearly}, {1, &t.All}}
	var all float64
	for trial := range slices.Chunk(outcomes, c.Receivers) {
		seconds := make([]float64, len(trial))
		for i, o := range trial {
			seconds[i] = never
			if o.done {
				seconds[i] = o.seconds
			}
		}
		s := stats.NewSample(seconds)
		for _, share := range shares {
			*share.field += s.Quantile(share.of) / float64(c.Trials)
		}
		all += s.Mean() / float64(c.Trials)
	}
	t.Goodput = float64(c.Size) * 8 / all
	for _, field := range []*float64{&t.Half, &t.Most, &t.Nearly, &t.All, &t.Goodput} {
		if math.IsInf(*field, 1) {
			*field = 0
		}
		*field = stats.Round(*field, digits)
	}
	return t
}
