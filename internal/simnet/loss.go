// SPDX-License-Identifier: GPL-2.0-or-later

// Package simnet holds models of what a network does to packets, seeded so that
// every run can be repeated bit by bit on every CPU.
package simnet

import (
	"errors"
	"fmt"
	"strings"
)

// A Loss is a model of packet loss. It is immutable, and the zero Loss loses
// nothing.
type Loss struct {
	name string // key of models; empty is none
	mean probability
}

// models reads the parameters of each model that exists. A model that is added
// must leave the streams of the others as they are: results are published with
// their seeds.
var models = map[string]func(params string) (Loss, error){
	"none": func(params string) (Loss, error) {
		if params != "" {
			return Loss{}, errors.New("takes no parameter")
		}
		return Loss{}, nil
	},
	"bernoulli": func(params string) (Loss, error) {
		mean, err := parseProbability(params)
		return Loss{name: "bernoulli", mean: mean}, err
	},
}

// ParseLoss reads a loss model:
//
//	none            loses nothing
//	bernoulli:5%    loses each packet with probability 0.05, independently
//
// A probability is a percentage or a ratio below 1, as in 5% or 0.05, with at
// most 16 or 18 decimals.
func ParseLoss(s string) (Loss, error) {
	name, params, _ := strings.Cut(s, ":")
	parse := models[name]
	if parse == nil {
		return Loss{}, fmt.Errorf("loss %.60q: there is no model %.40q; there are: none, bernoulli:P (P as in 5%% or 0.05)", s, name)
	}
	l, err := parse(params)
	if err != nil {
		return Loss{}, fmt.Errorf("loss %.60q: %s %w", s, name, err)
	}
	return l, nil
}

// String returns the text from which [ParseLoss] makes l again.
func (l Loss) String() string {
	if l.name == "" {
		return "none"
	}
	return l.name + ":" + l.mean.String()
}
