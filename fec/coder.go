// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"fmt"
	"sync"

	"iotupd/fec/leopard"
	"iotupd/proto"
)

// An encoder makes the parity of one group after the other, for one goroutine at a
// time: as [leopard.Encoder] describes, but see keepsData.
type encoder interface {
	Start(n int)
	Add(i int, data []byte)
	Finish(ready func(first int, parity []byte))
}

// A rebuilder makes the missing data shards of a group, for one goroutine at a
// time: as [leopard.Decoder] describes.
type rebuilder interface {
	Choose(used []int)
	Direct() bool
	Fit() int
	Columns(n int)
	Row(i int) []byte
	Filled(i int)
	Rebuild()
}

// newEncoders returns one encoder for each of the given number of groups. They
// are finished one after the other. width is the largest number of bytes of every
// shard that they hold at a time.
func newEncoders(p proto.Params, width, groups int) ([]encoder, error) {
	if err := checkCode(p); err != nil {
		return nil, err
	}
	if p.Code == proto.CodeLeopard8 {
		return newEncoders8(p, width, groups)
	}
	list := make([]encoder, groups)
	for i := range list {
		e, err := leopard.NewEncoder(p.K, p.M, width)
		if err != nil {
			return nil, err
		}
		list[i] = e
	}
	return list, nil
}

// keepsData reports whether encoders use the data shards that were added until they
// are finished.
func keepsData(p proto.Params) bool { return p.Code == proto.CodeLeopard8 }

// newRebuilder returns a rebuilder that holds at least width bytes of every shard
// at a time.
func newRebuilder(p proto.Params, width int) (rebuilder, error) {
	if err := checkCode(p); err != nil {
		return nil, err
	}
	if p.Code == proto.CodeLeopard8 {
		return newRebuilder8(p, width)
	}
	return leopard.NewDecoder(p.K, p.M, width)
}

func checkCode(p proto.Params) error {
	if p.Code != proto.CodeLeopard8 && p.Code != proto.CodeLeopard16 {
		return fmt.Errorf("fec: %v has no coder", p.Code)
	}
	if !p.Code.Fits(p.K, p.M) {
		return fmt.Errorf("fec: %v cannot make %d+%d shards", p.Code, p.K, p.M)
	}
	return nil
}

// encodersMemory and rebuilderMemory return the bytes that encoders for so many
// groups, or a rebuilder, take. The result is proportional to width.
func encodersMemory(p proto.Params, width, groups int) int {
	switch p.Code {
	case proto.CodeLeopard8:
		return encoders8Memory(p, width, groups)
	case proto.CodeLeopard16:
		return groups * leopard.EncoderMemory(p.K, p.M, width)
	}
	return 0
}

func rebuilderMemory(p proto.Params, width int) int {
	switch p.Code {
	case proto.CodeLeopard8:
		return rebuilder8Memory(p, width)
	case proto.CodeLeopard16:
		return leopard.DecoderMemory(p.K, p.M, width)
	}
	return 0
}

// columnUnit returns the number of bytes that columns of shards must be a
// multiple of.
func columnUnit(p proto.Params) int {
	if p.Code == proto.CodeLeopard16 {
		return leopard.Unit(p.ShardSize)
	}
	return proto.ShardUnit
}

// part returns which of n things are for member i of so many.
func part(n, i, members int) (from, to int) { return n * i / members, n * (i + 1) / members }

// columnPart is part for columns, which stay together in units.
func columnPart(width, unit, i, members int) (from, to int) {
	from, to = part(width/unit, i, members)
	return from * unit, to * unit
}

// widestPart returns the most columns that one of so many members gets.
func widestPart(width, unit, members int) int {
	return (width/unit + members - 1) / members * unit
}

// inParallel calls do for 0 to n-1 at the same time. It returns, when all have
// returned, the first error among them.
func inParallel(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
