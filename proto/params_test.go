// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"errors"
	"fmt"
	"testing"
)

func TestParamsVectors(t *testing.T) {
	forEachVector(t, "params.txt", func(t *testing.T, v vector) {
		for _, name := range []string{"valid", "invalid"} {
			for _, line := range v.all(name) {
				var p Params
				if _, err := fmt.Sscan(line, &p.Code, &p.K, &p.M, &p.ShardSize, &p.Size); err != nil {
					t.Fatal(err)
				}
				err := p.Validate()
				if name == "valid" && err != nil || name == "invalid" && !errors.Is(err, ErrParams) {
					t.Errorf("%s: %s: got %v", name, line, err)
				}
				if _, geoErr := p.Geometry(); (geoErr == nil) != (err == nil) {
					t.Errorf("%s: Geometry says %v, Validate %v", line, geoErr, err)
				}
			}
		}
	})
}

func TestZeroParamsAreInvalid(t *testing.T) {
	if _, err := (Params{}).Geometry(); !errors.Is(err, ErrParams) {
		t.Errorf("got %v, want %v", err, ErrParams)
	}
}

func TestFitsIsTheFieldSize(t *testing.T) {
	// "M >= 1 and K + ceilPow2(M) <= 2^8" spec.md 2.3
	for k := -1; k <= 257; k++ {
		for m := -1; m <= 257; m++ {
			p := 1
			for p < m {
				p *= 2
			}
			want := k >= 1 && m >= 1 && k+p <= 256
			if got := CodeLeopard8.Fits(k, m); got != want {
				t.Fatalf("%d+%d: got %v, want %v", k, m, got, want)
			}
		}
	}
}

func TestCodeString(t *testing.T) {
	for c, want := range map[Code]string{CodeNone: "none", CodeLeopard8: "gf8", CodeLeopard16: "gf16", 9: "code 9"} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
