// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend

package main

import (
	"iotupd/cmd/iotupd/internal/send"
	"iotupd/cmd/iotupd/internal/sign"
)

func init() {
	commands["send"] = send.NewCommand
	commands["sign"], commands["keygen"] = sign.NewCommand, sign.NewKeygenCommand
}
