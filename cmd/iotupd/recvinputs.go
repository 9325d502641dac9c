// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"os"
	"sync"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto/seal"
)

// recvInputs are the files that flags of recv name for reading.
type recvInputs struct {
	trust  *trust // nil: no --trust
	groups []*seal.GroupKey
	seeds  []*os.File // older versions of the file
}

// openInputs opens them all, so that a wrong name is told at once.
func (o *recvOptions) openInputs() (_ *recvInputs, err error) {
	in := &recvInputs{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if in.groups, err = o.readGroupKeys(); err != nil {
		return nil, err
	}
	for _, path := range o.reuse {
		f, err := openSeed(path)
		if err != nil {
			return nil, err
		}
		in.seeds = append(in.seeds, f)
	}
	in.trust, err = o.trustOptions.open(o.Channel)
	return in, err
}

// openSeed opens a file of --reuse. What it is is looked at first: to open a
// pipe would wait for its writer.
func openSeed(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, cli.LocalError("--reuse "+path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, cli.UsageError("--reuse %s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.LocalError("--reuse "+path, err)
	}
	return f, nil
}

func (in *recvInputs) close() {
	for _, f := range in.seeds {
		f.Close()
	}
	in.trust.close()
}

// checks run beside a transfer, the one of the object that is received now.
type checks struct {
	running sync.WaitGroup
	cancel  context.CancelFunc // nil: none was started
}

// start runs check until it is done or another one takes its place.
func (c *checks) start(ctx context.Context, check func(context.Context)) {
	c.stop()
	ctx, c.cancel = context.WithCancel(ctx)
	c.running.Go(func() { check(ctx) })
}

// stop ends the check, and waits for it.
func (c *checks) stop() {
	if c.cancel != nil {
		c.cancel()
	}
	c.wait()
}

func (c *checks) wait() { c.running.Wait() }
