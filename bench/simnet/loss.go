// SPDX-License-Identifier: GPL-2.0-or-later

// Package simnet holds models of what a network does to packets, seeded so that
// every run can be repeated bit by bit on every CPU. It also records what a real
// network did, and finds the model nearest to it.
package simnet

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
)

// LossForms has an example of each form that [ParseLoss] and [ReadLoss] read.
const LossForms = "none | bernoulli:5% | gilbert:10%,burst=5 | ge:p=1%,r=10%,h=50%,k=99.9% | " +
	"periodic:20 | trace:FILE | mix:80%*bernoulli:1%+20%*gilbert:15%,burst=8"

// A Loss is a model of packet loss. It is immutable, and the zero Loss loses
// nothing.
type Loss struct {
	text  string                // what ParseLoss reads; empty is none
	mean  *big.Rat              // share of packets that are lost; nil is 0
	start func(*source) process // nil for none and mix
	parts []part                // of a mix
}

// An opener opens a file for reading.
type opener = func(name string) (io.ReadCloser, error)

// ParseLoss reads a loss model:
//
//	none                   loses nothing
//	bernoulli:5%           loses each packet with probability 0.05, independently
//	gilbert:10%,burst=5    loses 10 % of all packets, in bursts of 5 on average
//	ge:p=1%,r=10%,h=50%,k=99.9%
//	                       goes from a good state to a bad one with probability p
//	                       a packet and back with r; a packet gets through with
//	                       probability h in the bad and k in the good state
//	periodic:20            loses every 20th packet; which of the first 20 differs
//	                       from receiver to receiver
//	mix:80%*bernoulli:1%+20%*gilbert:15%,burst=8
//	                       different receivers: 80 % of them lose 1 % of all packets,
//	                       20 % lose 15 % in bursts
//
// The parameters of ge have the order and the meaning of netem's gemodel, whose
// command line takes 1-h and 1-k, the losses: `gemodel 1% 10% 50% 0.1%` is the
// ge above. As there, r is 1-p, h is 0 % and k is 100 % unless given. Unlike
// netem, all models begin in their steady state.
//
// A probability is a percentage or a ratio below 1, as in 5% or 0.05, with at
// most 16 or 18 decimals.
func ParseLoss(s string) (Loss, error) { return ReadLoss(s, nil) }

// ReadLoss is [ParseLoss] that knows one model more:
//
//	trace:FILE             repeats what a [Trace] recorded, over and over,
//	                       from a place that differs from receiver to receiver
//
// The files are opened with open, and read and closed before ReadLoss returns.
// The name of a file in a mix cannot contain a plus sign.
func ReadLoss(s string, open func(name string) (io.ReadCloser, error)) (Loss, error) {
	name, params, _ := strings.Cut(s, ":")
	var l Loss
	var err error
	switch name {
	case "none":
		if params != "" {
			err = errors.New("takes no parameter")
		}
	case "bernoulli":
		l, err = parseBernoulli(params)
	case "gilbert":
		l, err = parseGilbert(params)
	case "ge":
		l, err = parseElliott(params)
	case "periodic":
		l, err = parsePeriodic(params)
	case "trace":
		l, err = readReplay(params, open)
	case "mix":
		l, err = parseMix(params, open)
	default:
		return Loss{}, fmt.Errorf("loss %.60q: there is no model %.40q; there are: %s", s, name, LossForms)
	}
	if err != nil {
		return Loss{}, fmt.Errorf("loss %.60q: %s %w", s, name, err)
	}
	return l, nil
}

// String returns the text from which [ReadLoss] makes l again.
func (l Loss) String() string {
	if l.text == "" {
		return "none"
	}
	return l.text
}

// MeanLoss returns the share of packets that are lost in the long run, from 0
// to 1: for a mix over all receivers, for a trace in one whole replay.
func (l Loss) MeanLoss() float64 {
	if l.mean == nil {
		return 0
	}
	mean, _ := l.mean.Float64() // the nearest, on every CPU
	return mean
}

// fields cuts the list key=value,key=value into the values of keys, each given at
// most once, in any order. Keys end in =, except "", whose value has no key.
func fields(list string, keys ...string) (map[string]string, error) {
	values := make(map[string]string)
	for item := range strings.SplitSeq(list, ",") {
		key, value := "", item
		if i := strings.Index(item, "="); i >= 0 {
			key, value = item[:i+1], item[i+1:]
		}
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("cannot read %.40q: there are %s", item, strings.TrimSpace(strings.Join(keys, " ")))
		}
		if _, ok := values[key]; ok {
			return nil, fmt.Errorf("has two values for one parameter: %.40q", item)
		}
		values[key] = value
	}
	return values, nil
}
