// SPDX-License-Identifier: GPL-2.0-or-later

package sign

import (
	"testing"
	"time"
)

func TestDates(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	tests := map[string]uint64{ // 0: refused
		"now":                       1769860800,
		"720h":                      1769860800 + 720*3600,
		"-1h":                       1769860800 - 3600,
		"2026-02-01":                1769904000,
		"2026-02-01T00:00:00Z":      1769904000,
		"2026-02-01T01:00:00+01:00": 1769904000,
		"1970-01-01":                0,
		"1960-01-01":                0,
		"2026-02-30":                0,
		"30d":                       0,
		"1769904000":                0,
		"":                          0,
	}
	for s, want := range tests {
		got, err := parseDate("expires", s, now)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
}

func TestASequenceRises(t *testing.T) {
	now := time.Unix(1769860800, 0)
	for s, want := range map[string]uint64{
		"1": 1, "auto": 1769860800, "18446744073709551615": 1<<64 - 1,
		"0": 0, "-1": 0, "18446744073709551616": 0, "1.0": 0, "": 0, "automatic": 0,
	} {
		got, err := parseSequence(s, now)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
}
