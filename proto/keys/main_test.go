// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"iotupd/internal/leak"
)

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }

// check ends a test at what should not have failed.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	check(t, err)
	return b
}

func write(t testing.TB, path string, content []byte) string {
	t.Helper()
	check(t, os.WriteFile(path, content, 0o600))
	return path
}

// password returns a function that types one.
func password(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

// noPassword fails a test in which a password is asked for.
func noPassword(t testing.TB) func() ([]byte, error) {
	return func() ([]byte, error) {
		t.Error("a password was asked for")
		return nil, errPassword
	}
}

// needMinisign skips a test on machines without minisign, unless they should
// have it.
func needMinisign(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("minisign"); err == nil {
		return
	}
	if os.Getenv("IOTUPD_REQUIRE_NETNS") == "1" {
		t.Fatal("minisign is not installed, and IOTUPD_REQUIRE_NETNS=1 asks for all tests")
	}
	t.Skip("minisign is not installed")
}
