// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// object returns the file of a trial: random bytes, or just the hash of what
// might be one.
func (c *cell) object(ctx context.Context, key simnet.Key) (*sender.Object, error) {
	key.Receiver = 0 // the same for all
	if c.WithBytes {
		return sender.Prepare(ctx, bytes.NewReader(c.file(key)), c.geo.Params, sender.PrepareConfig{
			Memory:         max(int64(sender.ParityBytes(c.geo)), sender.DefaultMemory),
			WithoutDigests: c.attack == nil || !c.attack.digests,
		})
	}
	name := binary.BigEndian.AppendUint64([]byte("iotupd bench file"), key.Seed)
	name = binary.BigEndian.AppendUint64(name, key.Trial)
	d := proto.Descriptor{Params: c.geo.Params, SHA256: sha256.Sum256(name)}
	return &sender.Object{Manifest: proto.Manifest{Descriptor: d}}, nil
}

// file returns the bytes of the file of a trial.
func (c *cell) file(key simnet.Key) []byte {
	key.Receiver = 0 // the same for all
	b := make([]byte, c.Size)
	fill(b, draw(key, "file"))
	return b
}

func fill(b []byte, rnd *rand.Rand) {
	var word [8]byte
	for len(b) > 0 {
		binary.LittleEndian.PutUint64(word[:], rnd.Uint64())
		b = b[copy(b, word[:]):]
	}
}

// loop returns the number of DATA and PARITY packets that a sender sends in a
// loop, or after which several objects are about where they were.
func (c *cell) loop() uint64 {
	if c.mixture != nil {
		return c.mixture.window
	}
	data, parity := c.geo.LoopPackets()
	return (data + parity) * uint64(max(1, c.scheme.times))
}

// newSender returns the source number i.
func (c *cell) newSender(o *sender.Object, i int, starts *rand.Rand) (source, error) {
	cfg := sender.Config{
		Rate:   c.Rate,
		Sender: i + 1, Senders: c.Senders,
		Order: c.scheme.carousel().Sender(),
		Rand:  rand.New(rand.NewPCG(c.Seed, uint64(i))),
	}
	if c.Starts == StartsRandom && c.Senders > 1 {
		cfg.Sender, cfg.Senders, cfg.Start = 1, 1, starts.IntN(10000)
	}
	s, err := sender.New(cfg, o)
	if err != nil {
		return nil, err
	}
	if c.WithBytes {
		return &byteSource{headerSource{Sender: s, packet: packet{from: i}}}, nil
	}
	return &headerSource{Sender: s, packet: packet{from: i}}, nil
}

// errNothingDue means that a sender's Wake was wrong.
var errNothingDue = errors.New("bench: internal error: nothing to send at the time of Wake")

// A headerSource is a sender of which only the headers travel.
type headerSource struct {
	*sender.Sender
	packet packet
}

func (s *headerSource) wake() time.Time { return s.Wake() }

func (s *headerSource) next(now time.Time) (*packet, error) {
	var ok bool
	if s.packet.header, ok = s.Next(now); !ok {
		return nil, errNothingDue
	}
	return &s.packet, nil
}

// A byteSource is a sender whose datagrams travel whole.
type byteSource struct{ headerSource }

func (s *byteSource) next(now time.Time) (*packet, error) {
	p := &s.packet
	var err error
	if p.datagram, err = s.AppendDatagrams(p.datagram[:0], now, 1); err != nil {
		return nil, err
	}
	if len(p.datagram) == 0 {
		return nil, errNothingDue
	}
	if p.header, _, err = proto.Parse(p.datagram); err != nil {
		return nil, fmt.Errorf("bench: the sender's own packet: %w", err)
	}
	return p, nil
}

// newReceiver returns a sink.
func (c *cell) newReceiver(key simnet.Key) (sink, error) {
	if !c.WithBytes {
		return c.newIndexSink()
	}
	cfg := receiver.Config{
		MaxSize: maxSize, Workers: 1,
		Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
			return &memory{make([]byte, p.Size)}, nil
		},
	}
	if c.attack != nil {
		return c.newTarget(key, cfg)
	}
	r, err := receiver.New(cfg)
	if err != nil {
		return nil, err
	}
	return &byteSink{r}, nil
}

// An indexSink is what a receiver knows of the shards of an object, without their
// bytes.
type indexSink struct {
	index     *receiver.Index
	certified bool // a manifest was heard
	shards    uint64
}

func (c *cell) newIndexSink() (*indexSink, error) {
	index, err := receiver.NewIndex(c.geo)
	return &indexSink{index: index}, check(err)
}

func (s *indexSink) done() bool       { return s.certified && s.index.Complete() }
func (s *indexSink) received() uint64 { return s.shards }

func (s *indexSink) hear(_ time.Time, p *packet) error { return s.take(&p.header) }

func (s *indexSink) take(h *proto.Header) error {
	switch h.Type {
	case proto.TypeManifest:
		s.certified = true
	case proto.TypeData, proto.TypeParity:
		s.shards++
		return check(s.index.Add(h.Group, h.Index))
	}
	return nil
}

// check lets those errors pass that are part of every transfer.
func check(err error) error {
	switch err {
	case nil, receiver.ReasonDuplicate, receiver.ReasonNotNeeded:
		return nil
	case receiver.ReasonTooLarge:
		return fmt.Errorf("%w: the receiver's index is over its limit: take larger groups or a smaller file", ErrExperiment)
	}
	return fmt.Errorf("bench: internal error: %w", err)
}

// A byteSink is a receiver that keeps the file, decodes and verifies it.
type byteSink struct{ *receiver.Receiver }

func (s *byteSink) done() bool { return s.Done() }

func (s *byteSink) received() uint64 {
	p := s.Progress()
	return p.Data + p.Parity
}

func (s *byteSink) hear(now time.Time, p *packet) error {
	if err := check(s.Handle(now, receiver.Origin{Interface: p.from + 1}, p.datagram)); err != nil {
		return err
	}
	s.work(now)
	return s.Err()
}

// work does the jobs that are there.
func (s *byteSink) work(now time.Time) {
	for j := s.NextJob(); j != nil; j = s.NextJob() {
		j.Run()
		s.Finish(now, j)
	}
}

// A memory is a file in memory.
type memory struct{ bytes []byte }

func (m *memory) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, m.bytes[min(off, int64(len(m.bytes))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if end := int(off) + len(b); end > len(m.bytes) {
		m.bytes = append(m.bytes, make([]byte, end-len(m.bytes))...)
	}
	return copy(m.bytes[off:], b), nil
}

func (m *memory) Found() int64        { return 0 }
func (m *memory) Reserve(int64) error { return nil }
func (m *memory) Sync() error         { return nil }
func (m *memory) Discard() error      { return nil }

// noBytes refuses fountains where bytes have to travel.
func noBytes(s Scheme) error {
	return fmt.Errorf("%w %q: there is no such code, so it cannot carry real bytes", ErrScheme, s.String())
}
