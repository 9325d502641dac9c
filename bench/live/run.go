// SPDX-License-Identifier: GPL-2.0-or-later

package live

import (
	"context"
	"errors"
	"time"

	"iotupd/bench"
)

// Options say how to run processes. Program must be set.
type Options struct {
	Program string // the iotupd to run
	Dir     string // for the files that are sent and received; if empty, the default for temporary files

	// OnLoopback uses the loopback interface even where namespaces could be
	// made.
	OnLoopback bool

	// Timeout bounds a trial, from the start of the senders. Receivers that are
	// not done by then do not count as completed. If zero, it is far more than
	// the plain loop should take.
	Timeout time.Duration

	// Note, if not nil, is called with a text that says where the packets go, and
	// why.
	Note func(text string)
}

// Run measures e with real processes, whatever its Mode. An error, of ctx or of
// a process, ends it; the Result then has the rows that were finished. All
// processes have ended and all that was made is removed when Run returns.
func Run(ctx context.Context, e bench.Experiment, o Options) (result bench.Result, err error) {
	r := runner{opts: o}
	defer func() {
		if r.place != nil {
			err = errors.Join(err, r.place.close())
		}
	}()
	return e.RunNet(ctx, func(ctx context.Context, c bench.Case, trial int) (bench.Trial, error) {
		if err := r.ready(c.Senders + c.Receivers); err != nil {
			return bench.Trial{}, err
		}
		return r.trial(ctx, c, trial)
	})
}

// A runner keeps the network from trial to trial.
type runner struct {
	opts  Options
	place place
}

// ready makes a network for so many processes.
func (r *runner) ready(hosts int) error {
	if r.place == nil {
		p, note, err := openPlace(r.opts.OnLoopback)
		if err != nil {
			return err
		}
		r.place = p
		if r.opts.Note != nil {
			r.opts.Note(note)
		}
	}
	return r.place.grow(hosts)
}
