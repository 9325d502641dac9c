// SPDX-License-Identifier: GPL-2.0-or-later

package fec_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"iotupd/fec"
)

// A file in memory is encoded, loses three shards and is rebuilt in place.
func Example() {
	file := strings.Repeat("firmware", 320)
	params, err := fec.Policy{Parity: 5000, ShardSize: 256}.Params(uint64(len(file)))
	if err != nil {
		log.Fatal(err)
	}
	geometry, err := params.Geometry()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %d+%d\n", params.Code, params.K, params.M)

	// The sender keeps the parity of every group; here there is one.
	var parity string
	err = fec.Encode(context.Background(), geometry, strings.NewReader(file), fec.EncodeConfig{
		Put: func(group uint32, first int, b []byte) error { parity += string(b); return nil },
	})
	if err != nil {
		log.Fatal(err)
	}

	// The receiver has all data shards but three, and three parity shards.
	const size = 256
	received := []byte(file)
	for _, lost := range []int{0, 4, 5} {
		clear(received[lost*size:][:size])
	}
	decoder, err := fec.NewDecoder(params, fec.DecoderConfig{})
	if err != nil {
		log.Fatal(err)
	}
	err = decoder.Decode(fec.Group{
		Held: []int{1, 2, 3, 6, 7, 8, 9, 10, 12, 14},
		Read: func(index, column int, b []byte) error {
			if index < params.K {
				copy(b, received[index*size+column:])
			} else {
				copy(b, parity[(index-params.K)*size+column:])
			}
			return nil
		},
		Write: func(index, column int, b []byte) error {
			copy(received[index*size+column:], b)
			return nil
		},
	})
	fmt.Println(string(received) == file, err)
	// Output:
	// gf8 10+5
	// true <nil>
}
