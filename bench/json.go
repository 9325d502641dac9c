// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"encoding/json"
	"math"
)

// never is when a receiver is done that was given up.
var never = math.Inf(1)

// A figure is a number whose JSON is null where it is infinite.
type figure float64

func (f figure) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

func (f *figure) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*f = figure(never)
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}

// estimateJSON is an [Estimate] as encoded.
type estimateJSON struct {
	Value figure `json:"value"`
	Low   figure `json:"low"`
	High  figure `json:"high"`
}

// MarshalJSON implements [json.Marshaler].
func (e Estimate) MarshalJSON() ([]byte, error) {
	return json.Marshal(estimateJSON{figure(e.Value), figure(e.Low), figure(e.High)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Estimate) UnmarshalJSON(b []byte) error {
	var in estimateJSON
	err := json.Unmarshal(b, &in)
	*e = Estimate{float64(in.Value), float64(in.Low), float64(in.High)}
	return err
}

// summaryJSON is a [Summary] as encoded.
type summaryJSON struct {
	N       int      `json:"n"`
	Mean    Estimate `json:"mean"`
	P50     Estimate `json:"p50"`
	P90     Estimate `json:"p90"`
	P99     Estimate `json:"p99"`
	Slowest figure   `json:"slowest"`
	CDF     []Point  `json:"cdf,omitempty"`
}

// MarshalJSON implements [json.Marshaler].
func (s Summary) MarshalJSON() ([]byte, error) {
	return json.Marshal(summaryJSON{s.N, s.Mean, s.P50, s.P90, s.P99, figure(s.Slowest), s.CDF})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Summary) UnmarshalJSON(b []byte) error {
	var in summaryJSON
	err := json.Unmarshal(b, &in)
	*s = Summary{in.N, in.Mean, in.P50, in.P90, in.P99, float64(in.Slowest), in.CDF}
	return err
}
