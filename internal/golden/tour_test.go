// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"iotupd/bench"
	"iotupd/bench/report"
)

// TestGoldenBench compares what `iotupd bench` writes as CSV and JSON, for its
// tour and for the other experiments, at a small scale.
func TestGoldenBench(t *testing.T) {
	skipIfShort(t)
	tour := bench.Tour()
	tour.Size, tour.Receivers = 200_000, 8
	bytesToo := tour
	bytesToo.Schemes, bytesToo.WithBytes, bytesToo.Size, bytesToo.Receivers = tour.Schemes[3:4], true, 60_000, 3
	pollution := bench.Pollution{Experiment: bench.Experiment{Size: 50_000, Receivers: 3, Seed: 1}, Forgery: bench.ForgeSmart}
	layers := bench.Layers{
		Experiment:  bench.Experiment{Size: 100_000, Rate: 64_000, Receivers: 4, Seed: 1},
		Bottlenecks: []int64{150_000, 600_000}, Sharing: 2, Time: 4 * time.Minute,
	}
	set := bench.Set{
		Experiment: bench.Experiment{Receivers: 5, Seed: 1},
		Objects:    []bench.ObjectSize{{Size: 30_000}, {Size: 50_000, Weight: 3}, {Size: 300_000}},
	}
	for _, test := range []struct {
		name string
		run  func(context.Context) (bench.Result, error)
	}{
		{"tour", tour.Run},
		{"tour-bytes", bytesToo.Run},
		{"pollution", pollution.Run},
		{"layers", layers.Run},
		{"set", set.Run},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := test.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for suffix, write := range map[string]func(io.Writer, bench.Result) error{".csv": report.CSV, ".json": report.JSON} {
				var b bytes.Buffer
				if err := write(&b, r); err != nil {
					t.Fatal(err)
				}
				compare(t, "bench-"+test.name+suffix, b.Bytes())
			}
		})
	}
}
