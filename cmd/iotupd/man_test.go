// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"strings"
	"testing"
)

func TestManPages(t *testing.T) {
	pages := manPages(newRootCommand())
	for _, name := range []string{"iotupd.1", "iotupd-send.1", "iotupd-recv.1", "iotupd-sign.1", "iotupd-keygen.1", "iotupd-inspect.1"} {
		if pages[name] == "" {
			t.Errorf("there is no page %s", name)
		}
	}
	for name, page := range pages {
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"} {
			if !strings.Contains(page, "\n.SH "+section+"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
	}
}
