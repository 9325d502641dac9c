// SPDX-License-Identifier: GPL-2.0-or-later

package send

import "testing"

func TestServiceClassesHaveNumbersAndNames(t *testing.T) {
	tests := []struct {
		text string
		want int // -1: refused
	}{
		{"0", 0}, {"10", 10}, {"63", 63},
		{"EF", 46}, {"ef", 46}, {"VA", 44}, {"LE", 1}, {"DF", 0},
		{"CS0", 0}, {"CS1", 8}, {"cs7", 56},
		{"AF11", 10}, {"AF13", 14}, {"AF41", 34}, {"AF43", 38},
		{"64", -1}, {"-1", -1}, {"CS8", -1}, {"AF51", -1}, {"AF14", -1}, {"", -1}, {"0x2e", -1},
	}
	for _, test := range tests {
		c := serviceClass(7)
		err := c.Set(test.text)
		switch {
		case test.want < 0 && (err == nil || c != 7):
			t.Errorf("%q: got %v, want it refused", test.text, c)
		case test.want >= 0 && (err != nil || int(c) != test.want):
			t.Errorf("%q: got %v and error %v, want %d", test.text, c, err, test.want)
		}
	}
}
