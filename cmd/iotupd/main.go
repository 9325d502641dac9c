// SPDX-License-Identifier: GPL-2.0-or-later

// Command iotupd sends one file to any number of devices at once, over lossy
// multicast, without a return channel.
package main

import (
	"os"

	"iotupd/cmd/iotupd/internal/cli"
)

func main() {
	os.Exit(run(os.Args[1:], cli.Stdio{Out: cli.Stdout(), Err: os.Stderr}))
}
