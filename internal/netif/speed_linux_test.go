// SPDX-License-Identifier: GPL-2.0-or-later

package netif

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheSpeedOfALinkIsRead(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"eth0": "1000\n", "wlan0": "-1\n", "odd0": "fast\n", "zero0": "0\n"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "speed"), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int64{"eth0": 1_000_000_000, "wlan0": 0, "odd0": 0, "zero0": 0, "none0": 0, "../eth0": 0, "": 0} {
		if got := speedIn(dir, name); got != want {
			t.Errorf("%q: got %d bit/s, want %d", name, got, want)
		}
	}
}
