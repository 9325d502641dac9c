// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math"
	"math/bits"
)

// fitElliott climbs to the most likely model by expectation maximization (Baum
// and Welch), from the best of three beginnings.
func (t *Trace) fitElliott(c changes) FitResult {
	p, r := min(c.begins/c.received, 0.9), min(c.ends/c.lost, 0.9)
	mean := float64(t.Lost()) / float64(t.Packets())
	beginnings := []hidden{
		{move: [2]float64{p, r}, loss: [2]float64{mean / 10, 0.9}},                            // a bad time is a burst,
		{move: [2]float64{p / 10, r / 10}, loss: [2]float64{mean / 10, 0.5}},                  // or some bursts in a row,
		{move: [2]float64{0.001, 0.001}, loss: [2]float64{mean / 2, min(2*mean, (mean+1)/2)}}, // or a busy hour
	}
	e := newExpectation(t)
	var m hidden
	likelihood := math.Inf(-1)
	for _, begin := range beginnings {
		if climbed, l := e.climb(begin, 20); l > likelihood {
			m, likelihood = climbed, l
		}
	}
	m, likelihood = e.climb(m, 1000)
	if m.loss[0] > m.loss[1] {
		m.move[0], m.move[1] = m.move[1], m.move[0]
		m.loss[0], m.loss[1] = m.loss[1], m.loss[0]
	}
	text := fmt.Sprintf("ge:p=%v,r=%v,h=%v,k=%v", sixDigits(m.move[0]), sixDigits(m.move[1]),
		Certain-sixDigits(m.loss[1]), Certain-sixDigits(m.loss[0]))
	return fitted(text, 4, likelihood)
}

// hidden holds the probabilities of a Gilbert-Elliott model. State 0 is good,
// state 1 bad.
type hidden struct {
	move [2]float64 // to leave the state after a packet, above 0
	loss [2]float64 // of a packet in the state
}

// step returns the probabilities that a packet in state i has the fate (0 is
// received, 1 is lost) and the next packet is in state j.
func (m hidden) step(fate int) matrix {
	var s matrix
	for i := range s {
		happens := m.loss[i]
		if fate == 0 {
			happens = 1 - happens
		}
		s[i][i] = happens * (1 - m.move[i])
		s[i][1-i] = happens * m.move[i]
	}
	return s
}

// An expectation computes how often a model is expected to have been in which
// state, given a trace. It takes runs of packets at once, and a run of each
// length only once, so its time depends on the bursts and not on the packets.
type expectation struct {
	kinds []runKind
	runs  []int32  // the kind of each run of the trace
	begin []vector // of the states at the first packet of each run, given all before it
}

// A runKind is all runs of one fate and length.
type runKind struct {
	fate   int
	length uint64
	power  matrix // step(fate) to the power of length, times e^-log
	log    float64
	weight matrix // sum over the runs: of the states after it times those before it
}

func newExpectation(t *Trace) *expectation {
	e := &expectation{}
	type key struct {
		fate   int
		length uint64
	}
	known := make(map[key]int32)
	for i, length := range t.runs() {
		if length == 0 {
			continue
		}
		k := key{i % 2, length}
		number, ok := known[k]
		if !ok {
			number = int32(len(e.kinds))
			known[k] = number
			e.kinds = append(e.kinds, runKind{fate: k.fate, length: length})
		}
		e.runs = append(e.runs, number)
	}
	e.begin = make([]vector, len(e.runs))
	return e
}

// climb improves m until it gains no more, or for some rounds, and returns it
// with its log-likelihood.
func (e *expectation) climb(m hidden, rounds int) (hidden, float64) {
	const gain = 1e-4 // less moves no parameter by a part of its error that matters
	next, likelihood := e.improve(m)
	for range rounds {
		after, l := e.improve(next)
		if l < likelihood+gain {
			break
		}
		m, likelihood, next = next, l, after
	}
	return m, likelihood
}

// improve returns a model that is more likely than m, and the log-likelihood of
// m.
func (e *expectation) improve(m hidden) (next hidden, likelihood float64) {
	steps := [2]matrix{m.step(0), m.step(1)}
	for i := range e.kinds {
		k := &e.kinds[i]
		k.power, _, k.log = power(steps[k.fate], matrix{}, k.length)
		k.weight = matrix{}
	}
	likelihood = e.forward(m)
	e.backward()
	var count [2]matrix // of packets by fate, state, and state of the next packet
	for i := range e.kinds {
		k := &e.kinds[i]
		_, sum, _ := power(steps[k.fate], k.weight, k.length)
		for from := range 2 {
			for to := range 2 {
				count[k.fate][from][to] += steps[k.fate][from][to] * sum[to][from]
			}
		}
	}
	return m.maximize(count), likelihood
}

// forward fills e.begin and returns the log-likelihood.
func (e *expectation) forward(m hidden) (likelihood float64) {
	bad := m.move[0] / (m.move[0] + m.move[1])
	a := vector{1 - bad, bad}
	for i, number := range e.runs {
		k := &e.kinds[number]
		e.begin[i] = a
		a = vector{a[0]*k.power[0][0] + a[1]*k.power[1][0], a[0]*k.power[0][1] + a[1]*k.power[1][1]}
		sum := a[0] + a[1]
		a[0], a[1] = a[0]/sum, a[1]/sum
		likelihood += math.Log(sum) + k.log
	}
	return likelihood
}

// backward fills the weight of each kind.
func (e *expectation) backward() {
	b := vector{1, 1} // of all after a run, given the state
	for i := len(e.runs) - 1; i >= 0; i-- {
		k, a := &e.kinds[e.runs[i]], e.begin[i]
		before := vector{k.power[0][0]*b[0] + k.power[0][1]*b[1], k.power[1][0]*b[0] + k.power[1][1]*b[1]}
		scale := 1 / (a[0]*before[0] + a[1]*before[1])
		for to := range 2 {
			for from := range 2 {
				k.weight[to][from] += b[to] * a[from] * scale
			}
		}
		most := max(before[0], before[1])
		b = vector{before[0] / most, before[1] / most}
	}
}

// maximize returns the model that makes counts most likely, near m where they
// say nothing.
func (m hidden) maximize(count [2]matrix) hidden {
	const least = 1e-12 // what is 0 would stay so
	for i := range 2 {
		lost := count[1][i][0] + count[1][i][1]
		all := lost + count[0][i][0] + count[0][i][1]
		if all > 0 {
			m.move[i] = min(max((count[0][i][1-i]+count[1][i][1-i])/all, least), 1)
			m.loss[i] = lost / all
		}
	}
	return m
}

type (
	vector [2]float64
	matrix [2][2]float64
)

func (a matrix) times(b matrix) matrix {
	return matrix{
		{a[0][0]*b[0][0] + a[0][1]*b[1][0], a[0][0]*b[0][1] + a[0][1]*b[1][1]},
		{a[1][0]*b[0][0] + a[1][1]*b[1][0], a[1][0]*b[0][1] + a[1][1]*b[1][1]},
	}
}

func (a matrix) plus(b matrix) matrix {
	return matrix{{a[0][0] + b[0][0], a[0][1] + b[0][1]}, {a[1][0] + b[1][0], a[1][1] + b[1][1]}}
}

func (a matrix) over(x float64) matrix {
	return matrix{{a[0][0] / x, a[0][1] / x}, {a[1][0] / x, a[1][1] / x}}
}

// power returns a to the power of n, and the sum of a^i * c * a^(n-1-i) over all
// i from 0 to n-1, both to be multiplied by e^log. n is above 0.
//
// Both come from squaring the block matrix (a c / 0 a): its powers have a^n in
// the diagonal, and the sum in the corner.
func power(a, c matrix, n uint64) (p, sum matrix, log float64) {
	p, sum = a, c
	for bit := bits.Len64(n) - 2; bit >= 0; bit-- {
		sum = p.times(sum).plus(sum.times(p))
		p = p.times(p)
		log *= 2
		if n>>bit&1 == 1 {
			sum = p.times(c).plus(sum.times(a))
			p = p.times(a)
		}
		// The largest probability becomes 1: nothing underflows that matters.
		most := max(p[0][0], p[0][1], p[1][0], p[1][1])
		p, sum = p.over(most), sum.over(most)
		log += math.Log(most)
	}
	return p, sum, log
}
