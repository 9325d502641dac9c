// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package mcasttest

import (
	"os"
	"testing"

	"iotupd/internal/leak"
)

// Main runs the tests of a package, for its TestMain, and exits.
func Main(m *testing.M) { os.Exit(leak.Main(m)) }

// NeedNamespace skips the test: there are no network namespaces.
func NeedNamespace(t testing.TB) { t.Skip("needs a network namespace, which Linux has") }
