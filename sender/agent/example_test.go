// SPDX-License-Identifier: GPL-2.0-or-later

package agent_test

import (
	"context"
	"log"
	"os"
	"os/signal"

	"iotupd/proto/keys"
	"iotupd/proto/manifestfile"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/multicast"
)

// Send a file until the user has had enough. Send runs here, in the goroutine
// that calls it; when the context ends it announces the end to receivers, and
// returns within about a second. Parity and digests take up to 256 MiB of memory,
// and the rest a temporary file.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	a, err := agent.New(agent.Config{
		File:     "firmware.bin",
		Network:  multicast.Config{Channel: "fw.example.net", Interfaces: []string{"eth0"}},
		Carousel: sender.Config{Rate: 20_000_000}, // bits per second
	})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	if err := a.Send(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// Send a signed release three times, encrypted for a group, and say how far it
// is. The manifest names the channel, and was made by iotupd sign where the
// secret key is.
func Example_signed() {
	manifest, err := manifestfile.Read("firmware.bin.iotupd")
	if err != nil {
		log.Fatal(err)
	}
	group, err := keys.ReadGroupKey("group.key")
	if err != nil {
		log.Fatal(err)
	}
	a, err := agent.New(agent.Config{
		File:     "firmware.bin",
		Manifest: manifest,
		Carousel: sender.Config{Rate: 20_000_000, Loops: 3, Seal: group},
		Observe: func(e agent.Event) {
			if p, ok := e.(agent.Progress); ok {
				log.Printf("loop %d, %.0f%%", p.Loop, 100*p.Fraction)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	if err := a.Send(context.Background()); err != nil {
		log.Fatal(err)
	}
}
