// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend

package cli

import (
	"iotupd/sender/agent"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// senderCode turns an error of a sender into an exit code.
func senderCode(err error) int {
	switch {
	case isA[*multicast.ChoiceError](err):
		return ExitUsage
	case isA[*multicast.Error](err):
		return ExitNetwork
	case isA[*filesource.FileError](err), isA[*filesource.ChangedError](err):
		return ExitLocalIO
	case isA[*filesource.KindError](err), isA[*agent.ConfigError](err):
		return ExitUsage
	}
	return ExitFailure
}
