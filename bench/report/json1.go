// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"encoding/json"

	"iotupd/bench"
)

// A result1 is a result of the first version of the format, in which some keys
// had two meanings. Its fields hide embedded fields of the same name.
type result1 struct {
	bench.Result
	Version string `json:"version"`
	Rows    []row1 `json:"rows"`
}

type row1 struct {
	bench.Row
	Code    string    `json:"code"`
	X       string    `json:"x"`
	XValue  float64   `json:"x_value"`
	Times   times1    `json:"times"`
	Layered *layered1 `json:"layered"`
}

type times1 struct {
	Half    float64 `json:"p50"`
	Most    float64 `json:"p90"`
	Nearly  float64 `json:"p99"`
	All     float64 `json:"all"`
	Goodput float64 `json:"goodput_bits_per_second"`
}

type layered1 struct {
	bench.Layered
	Lost float64 `json:"lost"`
}

// decode reads a result of this version, or of the first one.
func decode(in []byte) (r bench.Result, err error) {
	var about struct{ Format, Version string }
	if err := json.Unmarshal(in, &about); err != nil || about.Format != "" || about.Version != "1" {
		return r, json.Unmarshal(in, &r)
	}
	var old result1
	if err := json.Unmarshal(in, &old); err != nil {
		return r, err
	}
	r = old.Result
	r.Format, r.Rows = bench.ResultFormat, nil
	for _, from := range old.Rows {
		row := from.Row
		row.Code, row.X, row.XValue, row.Times = from.Code, from.X, from.XValue, bench.Times(from.Times)
		if from.Layered != nil {
			l := from.Layered.Layered
			l.Lost = from.Layered.Lost
			row.Layered = &l
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}
