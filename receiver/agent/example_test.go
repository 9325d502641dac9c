// SPDX-License-Identifier: GPL-2.0-or-later

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"iotupd/proto/keys"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
	"iotupd/receiver/multicast"
)

// Receive one file that a trusted key has signed, and put it into place.
func Example() {
	trusted, err := keys.ReadFiles("/etc/iotupd/release.pub")
	if err != nil {
		log.Fatal(err)
	}
	a, err := agent.New(agent.Config{
		Channel: "fw.example.net",
		Listen:  multicast.Config{Interfaces: []string{"eth0"}},
		Target:  filestore.File("/var/lib/fw/fw.img"),
		Trust:   trusted,
		State:   "/var/lib/iotupd",
		Timeout: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	file, err := a.Receive(context.Background())
	var silence *agent.SilenceError
	switch {
	case errors.As(err, &silence):
		log.Print("nothing is sent at present: ", err)
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println(file.Path, file.Manifest.Version)
	}
}

// Follow a channel: receive every newer release that is signed for this hardware,
// and install it, until a signal comes. With Config.Lookup, DNS would name the
// senders.
func ExampleAgent_Follow() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	trusted, err := keys.ReadFiles("/etc/iotupd/keys") // all files *.pub of a directory
	if err != nil {
		log.Fatal(err)
	}
	install, err := agent.Command("rauc install {}", 10*time.Minute) // or a function of your own
	if err != nil {
		log.Fatal(err)
	}
	a, err := agent.New(agent.Config{
		Channel:  "fw.example.net",
		Listen:   multicast.Config{Interfaces: []string{"eth0"}},
		Target:   filestore.Dir("/var/lib/fw"),
		Trust:    trusted,
		State:    "/var/lib/iotupd",
		Hardware: []string{"board-7"},
		Observe: func(e agent.Event) {
			switch e := e.(type) {
			case agent.Done:
				log.Printf("received %s, version %s", e.File.Path, e.File.Manifest.Version)
			case agent.Silent:
				for _, cause := range e.Causes {
					log.Print(cause.Text)
				}
			case agent.CommandPrinted:
				log.Printf("%s: %s", e.Name, e.Line)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	if err := a.Follow(ctx, install); ctx.Err() == nil {
		log.Print(err)
	}
}
