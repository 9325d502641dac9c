// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"cmp"
	"strings"

	"iotupd/internal/printable"
	"iotupd/internal/quantity"
	"iotupd/proto"
)

// Listed describes one of several files in a line.
func Listed(m *proto.Manifest) string {
	name := cmp.Or(m.Name, "(no name)")
	if m.IsArchive() {
		name = m.DirectoryName() + "/"
	}
	words := []string{name, quantity.Size(m.Descriptor.Size).String()}
	if m.Version != "" {
		words = append(words, "version "+printable.Text(m.Version))
	}
	if m.Component != "" {
		words = append(words, "component "+printable.Text(m.Component))
	}
	if len(m.Targets) > 0 {
		words = append(words, "for "+printable.Text(strings.Join(m.Targets, ", ")))
	}
	signed := "unsigned"
	for i, s := range m.Signatures {
		if signed += ", " + s.KeyID.String(); i == 0 {
			signed = "signed by " + s.KeyID.String()
		}
	}
	return strings.Join(append(words, signed, "object "+m.Descriptor.Object().String()), "  ")
}
