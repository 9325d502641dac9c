// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"fmt"

	"iotupd/bench/model"
	"iotupd/bench/orders"
	"iotupd/bench/stats"
)

// modelled is the [work] of mode model.
func (c *cell) modelled() (*work, error) {
	if err := c.checkModel(); err != nil {
		return nil, err
	}
	one, err := model.New(c.modelScheme(), c.Loss.MeanLoss())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExperiment, err)
	}
	var r Row
	return &work{
		units:  1,
		unit:   func(context.Context, int) error { r = c.modelRow(one); return nil },
		finish: func() Row { return r },
	}, nil
}

// checkModel says why the model does not know something.
func (c *cell) checkModel() error {
	kind, _, _ := splitLoss(c.Loss)
	order := c.scheme.carousel()
	var why string
	switch {
	case kind != "none" && kind != "bernoulli":
		why = fmt.Sprintf("independent loss, none or bernoulli, not %v", c.Loss)
	case c.scheme.coded() && order != orders.RotatedRows() && order != orders.PlainRows():
		why = fmt.Sprintf("rows over all groups, not %v", c.scheme)
	case c.Senders > 1:
		why = "one sender"
	case c.Trials > 1:
		why = "no trials: it has the whole distribution"
	case !c.plainLink():
		why = "links that do nothing but lose packets"
	default:
		return nil
	}
	return fmt.Errorf("%w: mode model knows just %s; take mode sim", ErrExperiment, why)
}

func (c *cell) modelScheme() model.Scheme {
	shards := int64(c.geo.DataShards)
	switch c.scheme.kind {
	case ideal:
		return model.Fountain{Shards: shards}
	case raptorq:
		return model.RaptorQ{Symbols: shards}
	case loop, repeat:
		return model.Repeat{Shards: shards, Times: max(1, c.scheme.times)}
	}
	return model.Groups{K: c.geo.K, M: c.geo.M, Count: int64(c.geo.Groups)}
}

// modelRow is the row of c. The times are those of one receiver, and of the
// slowest; there are no manifests.
func (c *cell) modelRow(one *model.Completion) Row {
	r := c.head()
	r.Completed = c.Receivers
	mean, slowest := one.Mean(), one.Slowest(int64(c.Receivers)).Mean()
	at := func(packets float64) Estimate {
		v := stats.Round(one.Inefficiency(packets), digits)
		return Estimate{v, v, v}
	}
	quantile := func(q float64) float64 { return float64(one.Quantile(q)) }
	r.Sent = Summary{
		N:    c.Receivers,
		Mean: at(mean), P50: at(quantile(0.5)), P90: at(quantile(0.9)), P99: at(quantile(0.99)),
		Slowest: at(slowest).Value,
	}
	for i := 1; i < curvePoints; i++ {
		y := float64(i) / curvePoints
		r.Sent.CDF = append(r.Sent.CDF, Point{X: at(quantile(y)).Value, Y: y})
	}
	seconds := func(packets float64) float64 {
		return stats.Round(packets*c.airtime(), digits)
	}
	r.Times = Times{
		Half: seconds(quantile(0.5)), Most: seconds(quantile(0.9)), Nearly: seconds(quantile(0.99)), All: seconds(slowest),
		Goodput: stats.Round(float64(c.Size)*8/seconds(mean), digits),
	}
	return r
}
