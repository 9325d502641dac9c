// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"iotupd/proto"
)

// smallFile is the size in bytes up to which several files are encoded at a time: larger
// ones keep all cores busy by themselves.
const smallFile = 4 << 20

// PrepareEach calls prepare for each file, by its number, for several small ones at a time.
// sizes are the sizes of the files in bytes. It returns the first error, when all calls have
// returned; then the context of the others has ended.
func PrepareEach(ctx context.Context, sizes []int64, prepare func(ctx context.Context, file int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, size := range sizes {
		if ctx.Err() != nil {
			break
		}
		do := func() {
			if err := prepare(ctx, i); err != nil {
				cancel(err)
			}
		}
		if size > smallFile || len(sizes) == 1 {
			do()
			continue
		}
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			do()
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// A Meter adds up the progress of several files. It is safe for concurrent use.
type Meter struct {
	total  float64
	report func(fraction float64)

	mu   sync.Mutex
	done float64
}

// NewMeter returns a meter for files of such sizes, which reports what is done of all, 0 to
// 1, by one call at a time.
func NewMeter(sizes []int64, report func(fraction float64)) *Meter {
	m := &Meter{report: report}
	for _, size := range sizes {
		m.total += weight(size)
	}
	return m
}

// weight is the work of encoding a file, compared with others.
func weight(size int64) float64 { return float64(max(1, size)) }

// Of returns the [Config.Progress] of a file of this size.
func (m *Meter) Of(size int64) func(fraction float64) {
	before := 0.0
	return func(fraction float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.done += (fraction - before) * weight(size)
		before = fraction
		m.report(m.done / m.total)
	}
}

// A DuplicateError says that several files have the same content, and are encoded in the
// same way: they are one object.
type DuplicateError struct {
	Path, Other string // the first two
	More        int    // further files that are the same object as another one
}

// Error implements error.
func (e *DuplicateError) Error() string {
	more := ""
	if e.More == 1 {
		more = ", as have two others"
	} else if e.More > 1 {
		more = fmt.Sprintf(", as have %d other pairs", e.More)
	}
	return fmt.Sprintf("%s and %s have the same content%s: a set has it once, so leave out all except one", e.Other, e.Path, more)
}

// FindDuplicates returns a [*DuplicateError] if two of the objects, of files with these
// paths, are the same.
func FindDuplicates(paths []string, objects []proto.ObjectID) error {
	first := make(map[proto.ObjectID]string, len(objects))
	var found *DuplicateError
	for i, object := range objects {
		other, ok := first[object]
		switch {
		case !ok:
			first[object] = paths[i]
		case found == nil:
			found = &DuplicateError{Path: paths[i], Other: other}
		default:
			found.More++
		}
	}
	if found == nil {
		return nil
	}
	return found
}
