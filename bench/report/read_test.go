// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"iotupd/bench"
)

// What is written reads back as it was, what never happens included.
func TestReadJSON(t *testing.T) {
	for _, f := range fixtures {
		out := written(t, func(w io.Writer) error { return JSON(w, f.result) })
		if got, err := ReadJSON(bytes.NewReader(out)); err != nil || !reflect.DeepEqual(got, f.result) {
			t.Errorf("%s does not read back: %v", f.name, err)
		}
	}
}

// Whatever cannot be a result is refused, with the place and the reason.
func TestReadJSONRefuses(t *testing.T) {
	good := string(written(t, func(w io.Writer) error { return JSON(w, senderSweep()) }))
	replace := func(old, replacement string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in the fixture", old)
		}
		return strings.Replace(good, old, replacement, 1)
	}
	for name, c := range map[string]struct{ in, want string }{
		"nothing":          {"", "unexpected end"},
		"not JSON":         {"%PDF-1.7", "byte 1"},
		"another kind":     {`{"rows":[{"sent":3}]}`, "rows.sent cannot be a number"},
		"no format":        {`{"mode":"sim"}`, `the format is ""`},
		"a later format":   {`{"format":"iotupd bench result 3","mode":"sim"}`, `the format is "iotupd bench result 3"`},
		"another mode":     {replace(`"mode":"sim"`, `"mode":"dream"`), `"dream"`},
		"no rows":          {`{"version":"1","mode":"sim","rows":[]}`, "0 rows"},
		"after the end":    {good + "{}", "after top-level value"},
		"a long text":      {replace(`"fixed":["size=16M"`, `"fixed":["`+strings.Repeat("x", 2000)+`"`), "2000 bytes"},
		"no scheme":        {replace(`"scheme":"auto"`, `"scheme":""`), "no scheme"},
		"a negative count": {replace(`"trials":4`, `"trials":-4`), "negative"},
		"too many":         {replace(`"completed":200`, `"completed":201`), `row 1 ("auto" at "1"): 201 receivers completed of 4 trials of 50`},
		"a huge figure":    {replace(`"overhead":0.0082`, `"overhead":1e300`), "1e+300"},
		"a negative one":   {replace(`"overhead":0.0082`, `"overhead":-1`), "-1"},
		"an empty range":   {replace(`"mean":{"value":1.002`, `"mean":{"value":9`), "sent: 9 is outside its interval"},
		"a falling curve":  {replace(`"cdf":[{"x":1.00104,"y":0}`, `"cdf":[{"x":5,"y":0}`), "does not rise"},
	} {
		if _, err := ReadJSON(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %s", name, err, c.want)
		}
	}
	if _, err := ReadJSON(io.LimitReader(blanks{}, maxBytes+2)); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("a huge file: got %v, want an error with 64 MiB", err)
	}
}

// blanks is a file without an end.
type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// What is accepted can be shown, and reads back as the same.
func FuzzReadJSON(f *testing.F) {
	for _, fixture := range fixtures {
		small := fixture.result
		small.Rows = small.Rows[:2]
		in, err := json.Marshal(small)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ReadJSON(bytes.NewReader(in))
		if err != nil {
			return
		}
		out := written(t, func(w io.Writer) error { return JSON(w, r) })
		again, err := ReadJSON(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("does not read back: %v", err)
		}
		if second := written(t, func(w io.Writer) error { return JSON(w, again) }); !bytes.Equal(out, second) {
			t.Error("changes when it is read back")
		}
		if len(r.Rows) < 50 {
			printable(t, written(t, func(w io.Writer) error { return Table(w, r, 80) }))
			wellFormed(t, "page", written(t, func(w io.Writer) error { return HTML(w, r, Provenance{}) }))
		}
	})
}

// The comparison says what may be chance.
func TestComparison(t *testing.T) {
	a, b := senderSweep(), senderSweep()
	a.Rows = a.Rows[:4]
	b.Rows = append(b.Rows[:3:3], b.Rows[4])
	fill(&b.Rows[1], 1.5)
	b.Rows[2].Sent.Mean.Value += 1e-5
	golden(t, "compare.txt", written(t, func(w io.Writer) error { return Comparison(w, bench.Compare(a, b), 100) }))
}
