// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// A whole transfer in memory, without a socket or a clock: every fifth packet
// is lost.
func Example() {
	file := bytes.Repeat([]byte("firmware"), 50_000)

	params, err := fec.Policy{}.Params(uint64(len(file)))
	if err != nil {
		panic(err)
	}
	object, err := sender.Prepare(context.Background(), bytes.NewReader(file), params, sender.PrepareConfig{})
	if err != nil {
		panic(err)
	}
	s, err := sender.New(sender.Config{}, object)
	if err != nil {
		panic(err)
	}

	store := receiver.NewMemStore(len(file))
	r, err := receiver.New(receiver.Config{
		Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return store, nil },
	})
	if err != nil {
		panic(err)
	}

	now := time.Unix(0, 0)
	for sent := 1; !r.Done(); sent++ {
		if at := s.Wake(); at.After(now) {
			now = at
		}
		datagram, err := s.AppendDatagrams(nil, now, 1)
		if err != nil {
			panic(err)
		}
		if sent%5 == 0 {
			continue // lost
		}
		r.Handle(now, receiver.Origin{}, datagram) // its error says what was ignored, and why
		for job := r.NextJob(); job != nil; job = r.NextJob() {
			job.Run() // on any goroutine
			r.Finish(now, job)
		}
	}
	p := r.Progress()
	fmt.Println(r.Err(), bytes.Equal(store.Bytes(), file))
	fmt.Printf("%d data and %d parity shards heard, %d rebuilt\n", p.Data, p.Parity, p.Rebuilt)
	// Output:
	// <nil> true
	// 279 data and 69 parity shards heard, 69 rebuilt
}
