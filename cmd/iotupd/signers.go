// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"

	"iotupd/proto"
)

// signedBy lists the keys that are said to have signed m.
func signedBy(m *proto.Manifest) string {
	if len(m.Signatures) == 0 {
		return "unsigned"
	}
	s := "signed by "
	for i, sig := range m.Signatures {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprint(sig.KeyID)
	}
	return s
}
