// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"strings"
	"testing"
)

func TestSchemes(t *testing.T) {
	const shard = 1280
	tests := []struct {
		scheme string
		size   uint64
		parity int
		want   string
	}{
		// What the study calls K=1009, 4033 and 200 of a file of 64 MiB.
		{"gf16:1024+1009", 64 << 20, -1, "gf16 1009+1009 x 52"},
		{"gf16:4096+4096", 64 << 20, -1, "gf16 4033+4096 x 13"},
		{"gf16:4033+4033", 64 << 20, -1, "gf16 4033+4033 x 13"},
		{"gf16:200+56", 64 << 20, -1, "gf16 200+56 x 263"},
		{"gf8:128+128", 16 << 20, -1, "gf8 128+128 x 103"},

		{"gf8:128+128", 10 * shard, -1, "gf8 10+128 x 1"},
		{"gf8:128+128", 1, -1, "none 1+0 x 1"},
		{"gf8:128+0", 1280 * shard, -1, "none 128+0 x 10"},
		{"gf8:128+128", 1280 * shard, 5000, "gf8 128+64 x 10"},
		{"gf8:128+128", 1280 * shard, 0, "none 128+0 x 10"},
		{"gf8:128+128,order=group", 1280 * shard, -1, "gf8 128+128 x 10, group by group"},
		{"gf8:128+128,order=windows:3", 1280 * shard, -1, "gf8 128+128 x 10, windows of 3"},
		{"gf8:128+128,order=rows", 1280 * shard, -1, "gf8 128+128 x 10"},

		{"auto", 1280 * shard, -1, "gf16 1280+4096 x 1"},
		{"auto", 1280 * shard, 0, "none 1280+0 x 1"},
		{"auto", 1280 * shard, 2500, "gf16 1280+320 x 1"},
		{"auto:tiny", 1280 * shard, -1, "gf8 128+128 x 10"},
		{"auto:fast", 1280 * shard, -1, "gf8 183+64 x 7"},
		{"loop", 100_000 * shard, -1, "no code: 100000 shards"},
		{"loop,order=permuted", 100 * shard, -1, "no code: 100 shards, permuted"},
		{"repeat:3", 100 * shard, -1, "no code: 100 shards, repeated 3 times"},
		{"raptorq", 100_000 * shard, -1, "law: 50000 x 2, fails at K+n by 100^-(n+1)"},
		{"ideal", 100_000 * shard, -1, "bound: any 100000 packets"},
	}
	for _, test := range tests {
		c, err := ParseScheme(test.scheme)
		if err != nil {
			t.Error(err)
			continue
		}
		g, err := c.geometry(test.size, shard, test.parity)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := c.describe(g); got != test.want || c.String() != test.scheme {
			t.Errorf("%s of %d bytes: got %q, %q, want %q", test.scheme, test.size, c, got, test.want)
		}
	}
	if got := (Scheme{}).String(); got != "auto" {
		t.Errorf("the zero scheme is %q, want auto", got)
	}
}

func TestSchemeErrorsSayWhatThereIs(t *testing.T) {
	tests := map[string]string{
		"":                       SchemeForms,
		"reedsolomon":            SchemeForms,
		"auto:huge":              "tiny",
		"gf8":                    "gf8:128+128",
		"gf8:0+5":                "gf8:128+128",
		"gf8:128-128":            "gf8:128+128",
		"gf8:200+56":             "highest parity for them is 32",
		"gf8:300+1":              "too large",
		"gf16:60000+6000":        "highest parity for them is 4096",
		"repeat":                 "repeat:3",
		"repeat:0":               "repeat:3",
		"loop:2":                 "no parameter",
		"auto,speed=2":           "order=",
		"auto,order=zigzag":      OrderForms,
		"auto,order=windows":     OrderForms,
		"repeat:2,order=plain":   "no other order",
		"raptorq,order=permuted": "no other order",
	}
	for scheme, want := range tests {
		_, err := ParseScheme(scheme)
		if !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an ErrScheme with %q", scheme, err, want)
		}
	}
}

func TestAnOrderInAListBelongsToTheSchemeBefore(t *testing.T) {
	all := mustSchemes(t, "loop,gf8:128+128,order=group,auto:tiny,order=windows:4,ideal")
	var got []string
	for _, c := range all {
		got = append(got, c.String())
	}
	const want = "loop gf8:128+128,order=group auto:tiny,order=windows:4 ideal"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := ParseSchemes("loop,,ideal"); !errors.Is(err, ErrScheme) {
		t.Errorf("an empty scheme in a list: got %v, want ErrScheme", err)
	}
}

func TestParityThatDoesNotFitIsRefused(t *testing.T) {
	for _, scheme := range []string{"gf8:192+64", "auto:fast"} {
		c := mustSchemes(t, scheme)[0]
		if _, err := c.geometry(1<<20, 1024, 10000); !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), "highest") {
			t.Errorf("%s with 100 %% parity: got %v, want an ErrScheme that names the highest", scheme, err)
		}
	}
}
