// SPDX-License-Identifier: GPL-2.0-or-later

package state

import (
	"fmt"
	"strings"
)

// meanings are the events in the words of the documents.
var meanings = map[Event]string{
	Arrives: "the file is complete", Starts: "an attempt begins", Succeeds: "exit code 0", Defers: "exit code 75",
	Rejects: "exit code 65", Fails: "any other end", Passes: "`--check` has passed", CutOff: "cut off", Recorded: "`iotupd installed`",
	Confirms: "`iotupd confirm`", Runs: "the system runs it", RunsOlder: "the system runs another one after a reboot",
	Overdue: "`--confirm-timeout` has passed", Retries: "`iotupd retry`",
}

// Markdown returns the table as docs/installing.md has it: one line for a state and an
// event that changes it.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| state | what happens | next state |\n|---|---|---|\n")
	for _, t := range Table {
		what := meanings[t.On]
		if t.If != Always {
			what += ", " + t.If.String()
		}
		if t.To != t.From || t.On == Retries {
			fmt.Fprintf(&b, "| %v | %s | %v |\n", t.From, what, t.To)
		}
	}
	return b.String()
}
