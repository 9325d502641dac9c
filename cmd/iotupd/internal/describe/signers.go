// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"fmt"

	"iotupd/proto"
)

// SignedBy lists the keys that are said to have signed m.
func SignedBy(m *proto.Manifest) string {
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
