// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// What other programs call a command or a flag. Words that no command here has are
// skipped.
var (
	otherCommands = map[string]string{
		"receive": "recv", "rx": "recv", "get": "recv", "fetch": "recv", "download": "recv", "client": "recv",
		"transmit": "send", "tx": "send", "put": "send", "upload": "send", "serve": "send", "server": "send",
		"list": "inspect", "ls": "inspect", "show": "inspect", "info": "inspect", "scan": "inspect", "listen": "inspect",
		"genkey": "keygen", "generate": "keygen", "key": "keygen", "verify": "inspect", "benchmark": "bench", "simulate": "bench",
	}
	otherFlags = map[string]string{
		"ttl": "hop-limit", "hops": "hop-limit", "iface": "interface", "dev": "interface", "nic": "interface", "out": "output",
		"outfile": "output", "directory": "dir", "bitrate": "rate", "speed": "rate", "bandwidth": "rate", "fec": "parity",
		"redundancy": "parity", "redundance": "parity", "mtu": "shard-size", "block-size": "shard-size", "pubkey": "trust",
		"public-key": "trust", "key": "group-key", "hash": "sha256", "checksum": "sha256", "hook": "exec", "command": "exec",
		"log": "verbose", "silent": "quiet", "daemon": "follow", "force": "allow-downgrade", "multicast-group": "group",
		"address": "group", "addr": "group", "tos": "dscp", "wait": "timeout",
	}
)

// nearLetters is how many letters may be wrong in a name.
const nearLetters = 2

// NearCommands lists the commands that may be meant by name.
func NearCommands(name string, known []string) []string { return near(name, known, otherCommands) }

// near lists the known names that may be meant.
func near(name string, known []string, others map[string]string) (found []string) {
	if other := others[name]; slices.Contains(known, other) {
		return []string{other}
	}
	for _, k := range known {
		switch {
		case len(name) > 1 && strings.HasPrefix(k, name):
			found = append(found, k)
		case len(name) > nearLetters && distance(name, k) <= nearLetters:
			found = append(found, k)
		}
	}
	if len(found) > 3 {
		return nil // says nothing
	}
	return found
}

// nearFlag completes the error of a flag that does not exist; empty: nothing is like
// it.
func nearFlag(flags *pflag.FlagSet, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	name, group := unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()
	if group != "" { // of one letter, or a long name with one dash
		if name == "V" && flags.Lookup("version") != nil {
			return "did you mean --version?"
		}
		if name == "V" {
			return "did you mean iotupd --version?"
		}
		name = group
	}
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	found := near(name, known, otherFlags)
	if len(found) == 0 && group != "" && slices.Contains(known, name) {
		found = []string{name}
	}
	if len(found) == 0 {
		return ""
	}
	return "did you mean --" + strings.Join(found, " or --") + "?"
}

// distance counts the letters to change, to add or to leave out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0]++
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
