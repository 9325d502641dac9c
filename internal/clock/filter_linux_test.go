// SPDX-License-Identifier: GPL-2.0-or-later

package clock

import "testing"

func TestAFilterOfSystemCallsIsFound(t *testing.T) {
	for status, want := range map[string]bool{
		"Name:\tiotupd\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n": true,
		"Name:\tiotupd\nSeccomp:\t1\n":                                      true,
		"Name:\tiotupd\nSeccomp:\t0\nSeccomp_filters:\t0\n":                 false,
		"Name:\tSeccomp: 2\n":                                               false,
		"":                                                                  false,
	} {
		if got := filtered(status); got != want {
			t.Errorf("%q: got %v", status, got)
		}
	}
}
