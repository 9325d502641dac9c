// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"fmt"
	"net/netip"
	"strings"

	"iotupd/internal/reason"
)

// A Log prints records of the packages below like the other lines of an output.
// Their warnings are warnings to the user, the rest is what -v asks for.
type Log struct{ out *Output }

// Log returns the log of a command that receives. Others have [Output.Logger].
func (o *Output) Log() Log { return Log{o} }

// Debug, Info and Warn print a record with keys and values.
func (l Log) Debug(message string, args ...any) { l.print(false, message, args) }
func (l Log) Info(message string, args ...any)  { l.print(false, message, args) }
func (l Log) Warn(message string, args ...any)  { l.print(true, message, args) }

// print prints "message (key value, key value): error".
func (l Log) print(warning bool, message string, args []any) {
	var details []string
	failure := ""
	for ; len(args) >= 2; args = args[2:] {
		switch addr, isAddr := args[1].(netip.Addr); {
		case isAddr && !addr.IsValid(): // unset
		case args[0] == "error":
			failure = fmt.Sprintf(": %v", args[1])
		default:
			details = append(details, fmt.Sprintf("%v %v", args[0], args[1]))
		}
	}
	if len(details) > 0 {
		message += " (" + strings.Join(details, ", ") + ")"
	}
	message += failure
	if warning {
		l.out.Warn(Warning{Code: reason.Network, Text: message})
	} else {
		l.out.Decision("%s", message)
	}
}
