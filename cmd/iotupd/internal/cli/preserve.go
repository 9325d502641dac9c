// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import "iotupd/proto/archive"

// A PreserveFlag is a flag that says which attributes of directories are preserved beside
// those that always are.
type PreserveFlag archive.Preserve

// Set implements pflag.Value.
func (p *PreserveFlag) Set(s string) error {
	read, err := archive.ParsePreserve(s)
	if err == nil {
		*p = PreserveFlag(read)
	}
	return err
}

// String implements pflag.Value.
func (p *PreserveFlag) String() string { return archive.Preserve(*p).String() }

// Type implements pflag.Value.
func (p *PreserveFlag) Type() string { return "list" }

// PreserveChoices are the values between commas.
var PreserveChoices = []string{"owners", "xattrs", "special", "all"}
