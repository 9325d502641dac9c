// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"testing"

	"iotupd/internal/mcast/mcasttest"
)

func TestMain(m *testing.M) { mcasttest.Main(m) }
