// SPDX-License-Identifier: GPL-2.0-or-later

package quantity

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// parsers are the three parsers in one form, for the tests of what they share.
var parsers = map[string]func(string) (fmt.Stringer, error){
	"rate":    func(s string) (fmt.Stringer, error) { return ParseRate(s) },
	"size":    func(s string) (fmt.Stringer, error) { return ParseSize(s) },
	"percent": func(s string) (fmt.Stringer, error) { return ParsePercent(s) },
}

func TestParse(t *testing.T) {
	tests := []struct {
		kind, in string
		want     fmt.Stringer
	}{
		{"rate", "100M", Rate(100_000_000)},
		{"rate", "100Mbit/s", Rate(100_000_000)},
		{"rate", "100Mb/s", Rate(100_000_000)},
		{"rate", "100Mbps", Rate(100_000_000)},
		{"rate", "100m", Rate(100_000_000)},
		{"rate", "12.5MB/s", Rate(100_000_000)},
		{"rate", "12.5MBps", Rate(100_000_000)},
		{"rate", "10k", Rate(10_000)},
		{"rate", "10K", Rate(10_000)},
		{"rate", "1G", Rate(1_000_000_000)},
		{"rate", "1T", Rate(1_000_000_000_000)},
		{"rate", "1.5M", Rate(1_500_000)},
		{"rate", ".5M", Rate(500_000)},
		{"rate", "0.1M", Rate(100_000)},
		{"rate", "0.0000007M", Rate(1)}, // rounded
		{"rate", "64000", Rate(64_000)},
		{"rate", "100000000", Rate(100_000_000)},
		{"rate", "500 bit/s", Rate(500)},
		{"rate", " 9.84 Mbit/s ", Rate(9_840_000)},
		{"rate", "9223372036854775807", Rate(math.MaxInt64)},

		{"size", "0", Size(0)},
		{"size", "1500", Size(1500)},
		{"size", "1500B", Size(1500)},
		{"size", "1K", Size(1024)},
		{"size", "1k", Size(1024)},
		{"size", "1Ki", Size(1024)},
		{"size", "1KiB", Size(1024)},
		{"size", "1kB", Size(1000)},
		{"size", "1KB", Size(1000)},
		{"size", "64M", Size(64 << 20)},
		{"size", "64MB", Size(64_000_000)},
		{"size", "1.5GiB", Size(3 << 29)},
		{"size", "2GB", Size(2_000_000_000)},
		{"size", "1T", Size(1 << 40)},
		{"size", "1TB", Size(1_000_000_000_000)},
		{"size", "0.1K", Size(102)}, // 102.4
		{"size", "0.7K", Size(717)}, // 716.8
		{"size", "0.5B", Size(1)},   // halves up
		{"size", "24.0 MiB", Size(24 << 20)},
		{"size", "9223372036854775807", Size(math.MaxInt64)},

		{"percent", "0", Percent(0)},
		{"percent", "0%", Percent(0)},
		{"percent", "5%", Percent(500)},
		{"percent", "5 %", Percent(500)},
		{"percent", "0.05", Percent(500)},
		{"percent", "0.0500000000000000000000000", Percent(500)},
		{"percent", ".5", Percent(5000)},
		{"percent", "0.29", Percent(2900)}, // 2899.99... in floating point
		{"percent", "33%", Percent(3300)},
		{"percent", "12.34%", Percent(1234)},
		{"percent", "100%", Whole},
		{"percent", "300%", 3 * Whole},
	}
	for _, test := range tests {
		got, err := parsers[test.kind](test.in)
		if err != nil || got != test.want {
			t.Errorf("%s %q: got %#v, %v, want %#v", test.kind, test.in, got, err, test.want)
		}
	}
}

func TestParseRefusesAndSaysWhatToDo(t *testing.T) {
	tests := []struct{ kind, in, want string }{
		{"rate", "100", `"100" is 100 bit/s; did you mean 100M?`},
		{"rate", " 63999 ", `did you mean 63999M?`},
		{"rate", "0.4", `did you mean 0.4M?`},
		{"rate", "0", "zero"},
		{"rate", "0M", "zero"},
		{"rate", "0.0001k", "zero"},
		{"rate", "10MiB/s", `unknown unit "MiB/s"`},
		{"rate", "10MB", `unknown unit "MB"`},
		{"rate", "10P", `unknown unit "P"`},
		{"rate", "1e6M", `unknown unit "e6M"`},
		{"rate", "1,5M", `unknown unit ",5M"`},
		{"rate", "9223373T", "too large"},
		{"rate", "9999999999999999999TB/s", "too large"},
		{"rate", "18446744073709551.615k", "too large"}, // 2^64 - 1

		{"size", "64Q", `unknown unit "Q"`},
		{"size", "64i", `unknown unit "i"`},
		{"size", "64iB", `unknown unit "iB"`},
		{"size", "64Mb", `unknown unit "Mb"`},
		{"size", "0x40", `unknown unit "x40"`},
		{"size", "8388608T", "too large"},
		{"size", "9223372036854775808", "too large"},
		{"size", "9223372036854775807.5", "too many digits"},

		{"percent", "50", "did you mean 50%?"},
		{"percent", "1", "did you mean 1%?"},
		{"percent", "1.5", "did you mean 1.5%?"},
		{"percent", "33.333%", "nearest is 33.33%"},
		{"percent", "0.99999", "nearest is 100%"},
		{"percent", "5 percent", `unknown unit "percent"`},
		{"percent", "9999999999999999999%", "too large"},
	}
	for kind := range parsers {
		for in, want := range map[string]string{
			"": "empty", "  ": "empty", "-5M": "negative", "-0": "negative", "+5M": "not a number", "M": "not a number", ".": "not a number",
			"1.2.3": "not a number", "NaN": "not a number", "Inf": "not a number", "٣": "not a number",
			"18446744073709551616": "too many digits", "0.00000000000000000001": "too many digits",
			strings.Repeat("9", 1000): "too many digits", "1\x00": `unknown unit "\x00"`, "1\n": "",
		} {
			if want != "" {
				tests = append(tests, struct{ kind, in, want string }{kind, in, want})
			}
		}
	}
	for _, test := range tests {
		got, err := parsers[test.kind](test.in)
		if err == nil {
			t.Errorf("%s %q: got %v, want an error about %q", test.kind, test.in, got, test.want)
			continue
		}
		if text := err.Error(); !strings.Contains(text, test.want) || strings.ContainsAny(text, "\n\x00") || len(text) > 200 {
			t.Errorf("%s %q: got error %q, want one short line about %q", test.kind, test.in, text, test.want)
		}
	}
}

func TestString(t *testing.T) {
	tests := []struct {
		in   fmt.Stringer
		want string
	}{
		{Rate(0), "0 bit/s"},
		{Rate(999), "999 bit/s"},
		{Rate(1000), "1 kbit/s"},
		{Rate(100_000), "100 kbit/s"},
		{Rate(999_499), "999 kbit/s"},
		{Rate(999_500), "1 Mbit/s"},
		{Rate(1_005_000), "1.01 Mbit/s"},
		{Rate(9_840_000), "9.84 Mbit/s"},
		{Rate(10_040_000), "10 Mbit/s"},
		{Rate(12_345_678), "12.3 Mbit/s"},
		{Rate(1_000_000_000), "1 Gbit/s"},
		{Rate(math.MaxInt64), "9220000 Tbit/s"},
		{Rate(math.MinInt64), "-9220000 Tbit/s"},

		{Size(0), "0 B"},
		{Size(1023), "1023 B"},
		{Size(1024), "1.0 KiB"},
		{Size(24 << 20), "24.0 MiB"},
		{Size(1<<20 - 52), "1023.9 KiB"},
		{Size(1<<20 - 51), "1.0 MiB"},
		{Size(1 << 40), "1.0 TiB"},
		{Size(math.MaxInt64), "8388608.0 TiB"},
		{Size(math.MinInt64), "-8388608.0 TiB"},

		{Percent(0), "0%"},
		{Percent(1), "0.01%"},
		{Percent(500), "5%"},
		{Percent(1250), "12.5%"},
		{3 * Whole, "300%"},
		{Percent(-50), "-0.5%"},
	}
	for _, test := range tests {
		if got := test.in.String(); got != test.want {
			t.Errorf("%#v: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		in   time.Duration
		want string
	}{
		{-time.Second, "0 s"},
		{0, "0 s"},
		{49 * time.Millisecond, "0 s"},
		{400 * time.Millisecond, "0.4 s"},
		{949 * time.Millisecond, "0.9 s"},
		{950 * time.Millisecond, "1 s"},
		{1300 * time.Millisecond, "1.3 s"},
		{9949 * time.Millisecond, "9.9 s"},
		{9950 * time.Millisecond, "10 s"},
		{24 * time.Second, "24 s"},
		{59_499 * time.Millisecond, "59 s"},
		{59_500 * time.Millisecond, "1m00s"},
		{90 * time.Second, "1m30s"},
		{time.Hour - time.Nanosecond, "1h00m"},
		{2*time.Hour + 5*time.Minute, "2h05m"},
		{24*time.Hour - time.Second, "1d00h"},
		{79 * time.Hour, "3d07h"},
		{math.MaxInt64, "106751d23h"},
	}
	for _, test := range tests {
		if got := Duration(test.in); got != test.want {
			t.Errorf("%d ns: got %q, want %q", test.in, got, test.want)
		}
	}
}

// flagValue is what flag packages want of a value.
type flagValue interface {
	fmt.Stringer
	Set(string) error
	Type() string
}

func TestSetKeepsTheValueOnError(t *testing.T) {
	rate, size, percent := Rate(1000), Size(1024), Percent(100)
	for in, value := range map[string]flagValue{"10k": &rate, "10K": &size, "10%": &percent} {
		before := value.String()
		if err := value.Set("garbage"); err == nil || value.String() != before {
			t.Errorf("%s: got %v after error %v, want %v unchanged", value.Type(), value, err, before)
		}
		if err := value.Set(in); err != nil || value.String() == before {
			t.Errorf("%s: got %v, %v after Set(%q)", value.Type(), value, err, in)
		}
	}
}

// FuzzParse: no input panics, errors are one line, and what is accepted parses
// back from what String prints, within the digits that String keeps.
func FuzzParse(f *testing.F) {
	for _, in := range []string{"100M", "12.5MB/s", "9.84 Mbit/s", "24.0 MiB", "1kB", "64000", "5%", "0.05", "-1", "1.2.3", "9223372036854775807", "18446744073709551.615k"} {
		f.Add(in)
	}
	near := func(t *testing.T, in string, got, want int64, slack float64) {
		if math.Abs(float64(got)-float64(want)) > slack {
			t.Errorf("%q is %d, and prints as what parses to %d", in, want, got)
		}
	}
	f.Fuzz(func(t *testing.T, in string) {
		for kind, parse := range parsers {
			first, err := parse(in)
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%s %q: the error has more than one line: %v", kind, in, err)
				}
				continue
			}
			second, err := parse(first.String())
			if big := kind == "size" && first.(Size) > math.MaxInt64-1<<40; err != nil && !big { // rounds up to 2^63
				t.Fatalf("%s %q prints as %q, which does not parse: %v", kind, in, first, err)
			} else if big {
				continue
			}
			switch want := first.(type) {
			case Rate:
				near(t, in, int64(second.(Rate)), int64(want), float64(want)/200)
			case Size:
				near(t, in, int64(second.(Size)), int64(want), float64(want)/20)
			case Percent:
				near(t, in, int64(second.(Percent)), int64(want), 0)
			}
		}
	})
}
