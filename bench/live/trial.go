// SPDX-License-Identifier: GPL-2.0-or-later

package live

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"iotupd/bench"
	"iotupd/bench/simnet"
	"iotupd/internal/quantity"
)

// startTimeout bounds the time until all receivers listen.
const startTimeout = time.Minute

// errStart is the cause of a context when they do not.
var errStart = errors.New("live: the receivers do not listen after a minute")

// A trial is one transfer, to all receivers.
type trial struct {
	bench.Case
	number  int
	program string
	place   place
	shared  []string // flags of both ends
	dir     string
	sum     [sha256.Size]byte // of the file

	receivers, senders []*process
}

// trial does one.
func (r *runner) trial(ctx context.Context, c bench.Case, number int) (result bench.Trial, err error) {
	t := &trial{Case: c, number: number, program: r.opts.Program, place: r.place}
	if t.dir, err = os.MkdirTemp(r.opts.Dir, "iotupd-bench-"); err != nil {
		return result, err
	}
	defer os.RemoveAll(t.dir)
	if t.shared, err = t.place.flags(); err != nil {
		return result, err
	}
	// A name that is new, so that another bench does not disturb.
	t.shared = append(t.shared, "--channel", filepath.Base(t.dir), "--json", "--stats", "1h")
	if err = t.writeFile(); err != nil {
		return result, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer t.end()
	defer cancel(nil)
	timer := time.AfterFunc(startTimeout, func() { cancel(errStart) })
	defer timer.Stop()
	if err = t.begin(ctx); err == nil {
		timer.Stop()
		err = t.wait(ctx, time.After(r.timeout(&c)))
	}
	if ctx.Err() != nil {
		return result, context.Cause(ctx)
	}
	if err != nil {
		return result, err
	}
	t.end()
	return t.result()
}

// timeout bounds a trial: even the plain loop takes some 10 times the bound,
// and an encoder does 20 MB/s on slow machines.
func (r *runner) timeout(c *bench.Case) time.Duration {
	if r.opts.Timeout > 0 {
		return r.opts.Timeout
	}
	const start, waitFactor, encoder, forever = 30, 25, 20e6, 1 << 62
	size := float64(c.Size)
	seconds := start + size/encoder + waitFactor*size*8/(float64(c.Rate)*(1-c.Loss.MeanLoss()))
	return time.Duration(min(seconds*float64(time.Second), forever))
}

func (t *trial) source() string { return filepath.Join(t.dir, "file") }
func (t *trial) target(receiver int) string {
	return filepath.Join(t.dir, fmt.Sprint("received", receiver))
}

// writeFile makes the file to send.
func (t *trial) writeFile() error {
	f, err := os.Create(t.source())
	if err != nil {
		return err
	}
	h := sha256.New()
	err = t.WriteFile(io.MultiWriter(f, h), t.number)
	t.sum = [sha256.Size]byte(h.Sum(nil))
	return errors.Join(err, f.Close())
}

// begin starts the receivers, and when all of them listen, the senders.
func (t *trial) begin(ctx context.Context) error {
	for i := range t.Receivers {
		key := t.Key(t.number, i)
		err := t.start(ctx, &t.receivers, append([]string{"recv", "-o", t.target(i), "--drop", t.Loss.String(),
			"--seed", fmt.Sprintf("%d/%d/%d", key.Seed, key.Trial, key.Receiver)}, t.shared...))
		if err != nil {
			return err
		}
	}
	for _, p := range t.receivers {
		select {
		case <-p.listening:
		case <-p.exited:
			return p.failure()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, cfg := range t.SenderConfigs(t.number) {
		args := append([]string{"send", t.source(), "--rate", strconv.FormatInt(t.Rate, 10),
			"--sender", fmt.Sprintf("%d/%d", cfg.Sender, cfg.Senders), "--start", quantity.Percent(cfg.Start).String(),
			"--profile", t.Policy.Profile.String(), "--shard-size", strconv.Itoa(t.Policy.ShardSize),
			"--digest", "off"}, // as in the other modes: digests are overhead, and would meet losses in place of shards
			parityFlag(t.Policy.Parity)...)
		if err := t.start(ctx, &t.senders, append(args, t.shared...)); err != nil {
			return err
		}
	}
	return nil
}

// parityFlag says how much parity to send, in 1/100 percent; zero and less are
// as in a policy.
func parityFlag(parity int) []string {
	if parity == 0 {
		return nil
	}
	return []string{"--parity", quantity.Percent(max(0, parity)).String()}
}

// start starts a process on the next host.
func (t *trial) start(ctx context.Context, all *[]*process, args []string) error {
	host := len(t.receivers) + len(t.senders)
	what := fmt.Sprintf("%s %d of trial %d", args[0], len(*all), t.number)
	p, err := start(ctx, what, t.place.command(host, append([]string{t.program}, args...)))
	if err == nil {
		*all = append(*all, p)
	}
	return err
}

// wait waits for the end of all receivers, or until the trial takes too long.
func (t *trial) wait(ctx context.Context, timeout <-chan time.Time) error {
	gone := make(chan *process, len(t.senders))
	for _, s := range t.senders {
		go func() { <-s.exited; gone <- s }()
	}
	for _, p := range t.receivers {
		failed := (*process)(nil)
		select {
		case <-p.exited:
			if p.err != nil {
				failed = p
			}
		case failed = <-gone:
		case <-timeout:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if failed != nil {
			return failed.failure()
		}
	}
	return nil
}

// end ends all processes that still run.
func (t *trial) end() {
	for _, p := range t.senders {
		p.kill()
	}
	for _, p := range t.receivers {
		p.kill()
	}
}

// result collects the events of the processes, which have all ended.
func (t *trial) result() (bench.Trial, error) {
	var all bench.Trial
	m := &all.Measured
	var decoders float64
	for i, p := range t.receivers {
		o, err := t.outcome(i, p)
		if err != nil {
			return all, err
		}
		all.Outcomes = append(all.Outcomes, o)
		done := p.events["done"]
		if decoding := done.Seconds - done.Collected; done.Rebuilt > 0 && decoding > 0 {
			m.DecodeBytesPerSecond += float64(t.Size) / decoding
			decoders++
		}
		m.ReceiverCPUSeconds += p.cpu() / float64(t.Receivers)
		m.ReceiverPeakBytes = max(m.ReceiverPeakBytes, p.memory())
		m.OwnDrops += done.OwnDrops
	}
	m.DecodeBytesPerSecond /= max(1, decoders)
	for _, p := range t.senders {
		if preparing := p.events["sending"].Preparing; preparing > 0 {
			m.EncodeBytesPerSecond += float64(t.Size) / preparing / float64(t.Senders)
		}
		m.SenderCPUSeconds += p.cpu() / float64(t.Senders)
		m.SenderPeakBytes = max(m.SenderPeakBytes, p.memory())
	}
	return all, nil
}

// outcome returns what became of a receiver. Its file must be right.
func (t *trial) outcome(receiver int, p *process) (bench.Outcome, error) {
	stream := t.Loss.Stream(t.Key(t.number, receiver))
	o := bench.Outcome{Loss: stream.MeanLoss()}
	done, isDone := p.events["done"]
	if p.err != nil || !isDone {
		return o, nil
	}
	if err := t.compare(t.target(receiver)); err != nil {
		return o, err
	}
	e := p.events["collected"]
	shards := float64(e.Data + e.Parity)
	// What was lost before the first packet that was heard leaves no gap.
	before := firstReceived(stream)
	share := float64(e.Spanned-e.Lost) / float64(e.Spanned+before)
	// It is not known which of the lost packets were manifests: their share is
	// assumed to be the same as among the packets that arrived.
	o.Done, o.Seconds = true, done.Seconds
	o.Sent = uint64(math.Round(shards / share))
	o.Manifests = uint64(math.Round(float64(e.Manifests) / share))
	o.Received = e.Data + e.Parity
	return o, nil
}

// firstReceived returns how many packets are lost before the first that is not.
func firstReceived(s *simnet.Stream) (lost uint64) {
	for s.Lost() {
		lost++
	}
	return lost
}

// compare compares a received file with the one that was sent.
func (t *trial) compare(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), t.sum[:]) {
		return fmt.Errorf("live: %s differs from the file that was sent", path)
	}
	return nil
}
