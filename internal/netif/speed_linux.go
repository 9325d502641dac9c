// SPDX-License-Identifier: GPL-2.0-or-later

package netif

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Speed returns the speed of the link of an interface in bits per second; zero
// if it is not known, as of Wi-Fi and of most virtual interfaces.
func Speed(name string) int64 { return speedIn("/sys/class/net", name) }

func speedIn(folder, name string) int64 {
	if name == "" || strings.ContainsRune(name, '/') || strings.HasPrefix(name, ".") {
		return 0
	}
	b, _ := os.ReadFile(filepath.Join(folder, name, "speed"))
	megabits, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32)
	if err != nil || megabits <= 0 { // -1 means unknown
		return 0
	}
	return megabits * 1_000_000
}
