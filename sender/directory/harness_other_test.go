// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package directory

import (
	"errors"
	"os"
	"testing"
	"time"
)

func noFollowTimes(string, time.Time) error { return errors.ErrUnsupported }

func asNobody(t *testing.T) bool {
	if os.Getuid() <= 0 {
		t.Skip("root reads all files, and other systems have no such permissions")
	}
	return true
}
