// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A FitResult is, of the models of one kind, the one that makes a trace most
// likely.
type FitResult struct {
	// Loss is the model. Its parameters have six digits, more than any trace can
	// justify.
	Loss Loss

	// LogLikelihood is the natural logarithm of the probability that the model
	// loses just those packets that the trace has lost.
	LogLikelihood float64

	// AIC is Akaike's criterion, 2 * (number of parameters - LogLikelihood). The
	// lower the better; at a difference below 2, prefer the simpler model.
	AIC float64
}

// Fit returns the Bernoulli, Gilbert and Gilbert-Elliott models of t, the lowest
// AIC first. If in t no loss begins or no loss ends, there is nothing to learn of
// bursts, and only Bernoulli is returned; of an empty trace, nothing.
//
// The numbers come from floating point, so the last digits can differ from one
// kind of CPU to another. The time grows with the bursts in t, not its packets:
// about 0.1 ms a burst.
func Fit(t *Trace) []FitResult {
	if t.Packets() == 0 {
		return nil
	}
	results := []FitResult{t.fitBernoulli()}
	if c := t.countChanges(); c.begins > 0 && c.ends > 0 {
		results = append(results, t.fitGilbert(c), t.fitElliott(c))
	}
	slices.SortStableFunc(results, func(a, b FitResult) int { return cmp.Compare(a.AIC, b.AIC) })
	return results
}

func fitted(text string, parameters int, logLikelihood float64) FitResult {
	l, err := ParseLoss(text)
	if err != nil {
		panic("simnet: internal error: " + err.Error())
	}
	return FitResult{Loss: l, LogLikelihood: logLikelihood, AIC: 2 * (float64(parameters) - logLikelihood)}
}

func (t *Trace) fitBernoulli() FitResult {
	n, lost := float64(t.Packets()), float64(t.Lost())
	p := lost / n
	return fitted("bernoulli:"+sixDigits(p).String(), 1, xlogy(lost, p)+xlogy(n-lost, 1-p))
}

// changes says how often packets of one fate are followed by one of the other.
type changes struct {
	received, begins float64 // received packets with a successor, and how many of the successors were lost
	lost, ends       float64 // lost packets with a successor, and how many of the successors were received
}

// countChanges counts in a trace that is not empty.
func (t *Trace) countChanges() changes {
	runs := len(t.ends)
	c := changes{
		received: float64(t.Packets() - t.Lost()),
		begins:   float64(runs / 2),
		lost:     float64(t.Lost()),
		ends:     float64((runs - 1) / 2),
	}
	if t.ends[0] == 0 {
		c.begins-- // the trace begins with a loss
	}
	if runs%2 == 1 {
		c.received-- // the last packet
	} else {
		c.lost--
	}
	return c
}

// fitGilbert takes the shares of the changes, which are the most likely
// probabilities if the first packet is ignored.
func (t *Trace) fitGilbert(c changes) FitResult {
	p, r := c.begins/c.received, c.ends/c.lost
	mean := p / (p + r)
	first := 1 - mean
	if t.ends[0] == 0 {
		first = mean
	}
	likelihood := math.Log(first) +
		xlogy(c.begins, p) + xlogy(c.received-c.begins, 1-p) +
		xlogy(c.ends, r) + xlogy(c.lost-c.ends, 1-r)

	// The rounded mean must not ask for bursts closer to each other than one packet.
	const longest = 1e9
	rounded := sixDigits(min(mean, 1-1e-6))
	share := float64(rounded) / float64(Certain)
	burst := min(math.Ceil(1e5*max(1/r, share/(1-share)))/1e5, longest)
	text := fmt.Sprintf("gilbert:%v,burst=%s", rounded, strconv.FormatFloat(burst, 'f', -1, 64))
	return fitted(text, 2, likelihood)
}

// sixDigits returns x rounded to six digits.
func sixDigits(x float64) Probability {
	p := Probability(x * float64(Certain))
	unit := Probability(1)
	for p/unit >= 1e6 {
		unit *= 10
	}
	return min((p+unit/2)/unit*unit, Certain)
}

// xlogy returns x * log(y), and 0 if x is 0, whatever y is.
func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}
