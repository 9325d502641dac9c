// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import "iotupd/proto/archive"

// Preserve is a flag that lists attributes of files.
type Preserve struct{ Is archive.Preserve }

// Set implements [pflag.Value].
func (p *Preserve) Set(s string) (err error) {
	p.Is, err = archive.ParsePreserve(s)
	return err
}

// Type implements [pflag.Value].
func (p *Preserve) Type() string { return "list" }

// String implements [pflag.Value].
func (p *Preserve) String() string { return p.Is.String() }
