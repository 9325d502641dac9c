// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"iotupd/bench/orders"
	"iotupd/bench/simnet"
	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
)

const (
	// DefaultNetReceivers is the number of receivers in mode net, if
	// Experiment.Receivers is zero.
	DefaultNetReceivers = 4
	// maxProcesses bounds the receivers of a trial in mode net.
	maxProcesses = 64
)

// A Case is one scheme at one point of an experiment of mode net. Its
// experiment has the values of that point.
type Case struct {
	Experiment
	Policy fec.Policy // that makes the sender divide the file as the scheme does
	cell   *cell
}

// A Trial is what real processes did with a [Case].
type Trial struct {
	Outcomes []Outcome // of its receivers, in order
	Measured Measured
}

// An Outcome is the result of one receiver. If it was given up, all fields but
// Loss are zero.
type Outcome struct {
	Done    bool
	Loss    float64 // mean of its link
	Seconds float64 // from join to completion

	Sent, Manifests uint64 // packets of all senders, from join to completion; Sent is DATA and PARITY
	Received        uint64 // of Sent
}

// RunNet is Run in mode net. measure does one trial of one row with real
// processes: package live has one. Trials are done one after the other.
func (e Experiment) RunNet(ctx context.Context, measure func(ctx context.Context, c Case, trial int) (Trial, error)) (Result, error) {
	cases, err := e.cases()
	if err != nil {
		return Result{}, err
	}
	e = cases[0].cell.Experiment
	result := Result{
		Format: ResultFormat, Mode: string(Net), Seed: e.Seed,
		Parameter: e.Sweep.parameter.name, Parameters: e.fixed(),
	}
	for i, c := range cases {
		trials := make([]Trial, c.Trials)
		for j := range trials {
			if trials[j], err = measure(ctx, c, j); err != nil {
				return result, err
			}
			if e.Progress != nil {
				e.Progress(i*c.Trials+j+1, len(cases)*c.Trials)
			}
		}
		result.Rows = append(result.Rows, c.row(trials))
	}
	return result, nil
}

// cases returns the rows to be.
func (e Experiment) cases() ([]Case, error) {
	setDefault(&e.Receivers, DefaultNetReceivers)
	e.Mode = Sim // which has the same limits, and more
	e = e.withDefaults()
	if err := e.validate(); err != nil {
		return nil, err
	}
	e.Mode = Net
	cells, err := e.cells()
	if err != nil {
		return nil, err
	}
	var all []Case
	for _, c := range cells {
		if err := c.checkNet(); err != nil {
			return nil, c.at(err)
		}
		policy, err := policyOf(c.geo.Params)
		if err != nil {
			return nil, c.at(err)
		}
		all = append(all, Case{c.Experiment, policy, c})
	}
	return all, nil
}

// checkNet refuses what the real sender and receiver cannot do.
func (c *cell) checkNet() error {
	switch {
	case c.scheme.fountain():
		return noBytes(c.scheme)
	case c.scheme.kind == repeat || c.scheme.ordered && c.scheme.order != orders.RotatedRows():
		return fmt.Errorf("%w %q: the real sender has no order but rows; take mode sim", ErrScheme, c.scheme.String())
	case !c.plainLink():
		return fmt.Errorf("%w: mode net has the links of this machine", ErrExperiment)
	case c.Receivers > maxProcesses:
		return fmt.Errorf("%w: %d receivers are over %d real processes; mode sim has more", ErrExperiment, c.Receivers, maxProcesses)
	}
	return nil
}

// policyOf returns the policy that comes to p.
func policyOf(p proto.Params) (fec.Policy, error) {
	if p.M == 0 { // then K means nothing
		return fec.Policy{Parity: -1, ShardSize: p.ShardSize}, nil
	}
	var forms []string
	for _, profile := range []fec.Profile{fec.Standard, fec.Tiny, fec.Large, fec.Fast} {
		for _, parity := range []int{0, p.M * 10000 / p.K} {
			policy := fec.Policy{Profile: profile, Parity: parity, ShardSize: p.ShardSize}
			q, err := policy.Params(p.Size)
			switch {
			case err != nil:
			case q == p:
				return policy, nil
			case parity == 0:
				forms = append(forms, fmt.Sprintf("%v:%d+%d", q.Code, q.K, q.M))
			}
		}
	}
	return fec.Policy{}, fmt.Errorf("%w: the real sender makes no groups of %v:%d+%d of such a file, but with its profiles %s; take mode sim",
		ErrScheme, p.Code, p.K, p.M, strings.Join(forms, ", "))
}

// row sums up the trials of c.
func (c Case) row(trials []Trial) Row {
	var outcomes []outcome
	var m Measured
	n := float64(len(trials))
	for _, t := range trials {
		for _, o := range t.Outcomes {
			outcomes = append(outcomes, outcome{
				done: o.Done, loss: o.Loss, seconds: o.Seconds,
				sent: o.Sent, others: o.Manifests, received: o.Received,
			})
		}
		m.EncodeBytesPerSecond += t.Measured.EncodeBytesPerSecond / n
		m.DecodeBytesPerSecond += t.Measured.DecodeBytesPerSecond / n
		m.SenderCPUSeconds += t.Measured.SenderCPUSeconds / n
		m.ReceiverCPUSeconds += t.Measured.ReceiverCPUSeconds / n
		m.SenderPeakBytes = max(m.SenderPeakBytes, t.Measured.SenderPeakBytes)
		m.ReceiverPeakBytes = max(m.ReceiverPeakBytes, t.Measured.ReceiverPeakBytes)
		m.OwnDrops += t.Measured.OwnDrops
	}
	r := c.cell.row(outcomes)
	if math.IsNaN(r.Overhead) { // nobody was done
		r.Overhead = 0
	}
	r.Measured = &m
	if c.Join == JoinRandom && c.Trials == 1 {
		r.Sent.unbound()
		r.Received.unbound()
	}
	return r
}

// unbound removes the intervals from s: the receivers of one trial share the
// place where they join, so they say nothing about other places.
func (s *Summary) unbound() {
	for _, e := range []*Estimate{&s.Mean, &s.P50, &s.P90, &s.P99} {
		e.Low, e.High = 0, never
	}
}

// Key names the losses that a receiver meets: those of mode sim.
func (c Case) Key(trial, receiver int) simnet.Key {
	return simnet.Key{Seed: c.Seed, Trial: uint64(trial), Receiver: uint64(receiver)}
}

// WriteFile writes the file that is sent in a trial: the same as in mode sim with
// Experiment.WithBytes.
func (c Case) WriteFile(w io.Writer, trial int) error {
	rnd := draw(c.Key(trial, 0), "file")
	block := make([]byte, min(c.Size, 1<<20))
	for left := c.Size; left > 0; {
		b := block[:min(int64(len(block)), left)]
		fill(b, rnd)
		if _, err := w.Write(b); err != nil {
			return err
		}
		left -= int64(len(b))
	}
	return nil
}

// SenderConfigs returns what is different from sender to sender in a trial: number,
// of how many, and the start. A receiver joins with the first packet, so a
// random start is a random time to join.
func (c Case) SenderConfigs(trial int) []sender.Config {
	rnd := draw(c.Key(trial, 0), "start")
	const loop = 10000
	shift := 0
	if c.Join == JoinRandom {
		shift = rnd.IntN(loop)
	}
	all := make([]sender.Config, c.Senders)
	for i := range all {
		all[i] = sender.Config{Sender: i + 1, Senders: c.Senders, Start: shift}
		if c.Starts == StartsRandom && c.Senders > 1 {
			all[i] = sender.Config{Sender: 1, Senders: 1, Start: rnd.IntN(loop)}
		}
	}
	return all
}
