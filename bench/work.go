// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"runtime"
	"sync"
)

// ResultFormat is the format of a [Result] as JSON, by which it is known.
const ResultFormat = "iotupd bench result 2"

// Run measures. The same experiment gives the same Result, whatever the number
// of goroutines and the CPU. An error, of ctx or of one row, ends it; the Result
// then has the rows that were finished.
func (e Experiment) Run(ctx context.Context) (Result, error) {
	e = e.withDefaults()
	if err := e.validate(); err != nil {
		return Result{}, err
	}
	cells, err := e.cells()
	if err != nil {
		return Result{}, err
	}
	return e.measure(ctx, cells, Result{Parameter: e.Sweep.parameter.name, Parameters: e.fixed()})
}

// measure adds the rows of cells to r.
func (e *Experiment) measure(ctx context.Context, cells []*cell, r Result) (Result, error) {
	r.Format, r.Mode, r.Seed = ResultFormat, string(e.Mode), e.Seed
	var all []*work
	for _, c := range cells {
		w, err := c.work()
		if err != nil {
			return Result{}, c.at(err)
		}
		all = append(all, w)
	}
	err := e.runAll(ctx, all)
	for _, w := range all {
		if w.left == 0 {
			r.Rows = append(r.Rows, w.row)
		}
	}
	if len(r.Rows) == len(all) {
		err = nil // a cancel that came too late
	}
	return r, err
}

// A work is what has to be done for one row: units that are independent of
// each other, and then the row.
type work struct {
	units  int
	unit   func(ctx context.Context, i int) error
	finish func() Row // after all units

	left int // units not done
	row  Row
}

// work says how the row of c is made.
func (c *cell) work() (*work, error) {
	var w *work
	var err error
	switch {
	case c.layering != nil:
		w = c.simulatedLayers()
	case c.Mode == Model:
		w, err = c.modelled()
	default:
		w, err = c.simulated()
	}
	if err == nil {
		w.left = w.units
	}
	return w, err
}

// runAll does all units, on several goroutines, in order.
func (e *Experiment) runAll(ctx context.Context, all []*work) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	total := 0
	for _, w := range all {
		total += w.units
	}
	workers := e.Parallel
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	q := &queue{all: all}
	var done int
	var mu sync.Mutex // of done, work.left and Progress
	var wg sync.WaitGroup
	for range min(workers, total) {
		wg.Go(func() {
			for w, i := q.next(); w != nil && ctx.Err() == nil; w, i = q.next() {
				if err := w.unit(ctx, i); err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				w.left--
				last := w.left == 0
				done++
				if e.Progress != nil {
					e.Progress(done, total)
				}
				mu.Unlock()
				if last {
					w.row = w.finish()
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// A queue deals out units in order. It is safe for concurrent use.
type queue struct {
	mu    sync.Mutex
	all   []*work
	given int // units of all[0]
}

// next returns the next unit; no work at the end.
func (q *queue) next() (w *work, unit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.all) > 0 && q.given == q.all[0].units {
		q.all, q.given = q.all[1:], 0
	}
	if len(q.all) == 0 {
		return nil, 0
	}
	q.given++
	return q.all[0], q.given - 1
}
