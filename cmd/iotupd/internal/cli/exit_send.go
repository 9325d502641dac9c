// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend

package cli

import (
	"iotupd/internal/reason"
	"iotupd/sender/agent"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// senderCode is Code of errors of senders; empty: it is another one.
func senderCode(err error) string {
	switch {
	case isA[*multicast.ChoiceError](err):
		return reason.Usage
	case isA[*multicast.Error](err):
		return reason.NetworkFailed
	case isA[*filesource.ChangedError](err):
		return reason.FileChanged
	case isA[*filesource.FileError](err):
		return reason.LocalIO
	case isA[*filesource.KindError](err), isA[*agent.ConfigError](err):
		return reason.Usage
	}
	return ""
}
