// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/internal/memlimit"
)

// full asks for the sizes and repetitions of the acceptance tests.
var full = os.Getenv("IOTUPD_E2E_FULL") == "1"

// binary is the iotupd under test, built once. runDir is for all files.
var binary, runDir string

// missing says why no network can be made here; empty: it can.
var missing string

// namePrefix begins the names of all that outlives a killed process: network
// namespaces, mounted file systems, files. The number of the process follows.
const namePrefix = "iotupd-e2e-"

func TestMain(m *testing.M) {
	if os.Getenv(sandboxVariable) != "" {
		os.Exit(enterSandbox())
	}
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where tools are that users have no need of
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if !full {
		// Parallel tests wait for slow packets, not for processors.
		flag.Set("test.parallel", "10")
	}
	if missing = whatIsMissing(); missing != "" {
		return m.Run()
	}
	removeStale()
	if memlimit.IsMemory(os.TempDir()) { // where no state of a receiver may be
		os.Setenv("TMPDIR", "/var/tmp")
	}
	runDir = filepath.Join(os.TempDir(), ownName("files"))
	if err := os.Mkdir(runDir, 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(runDir)
	binary = filepath.Join(runDir, "iotupd")
	if out, err := exec.Command("go", "build", "-o", binary, "iotupd/cmd/iotupd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build iotupd: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func whatIsMissing() string {
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	for _, tool := range []string{"ip", "nft", "ethtool", "sysctl", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	probe := ownName("probe") // root of a container may not be allowed to
	if out, err := exec.Command("ip", "netns", "add", probe).CombinedOutput(); err != nil {
		return fmt.Sprintf("cannot make a network namespace: %v: %s", err, out)
	}
	exec.Command("ip", "netns", "del", probe).Run()
	return ""
}

// needsNetwork skips a test that cannot run here, or fails it if it has to.
func needsNetwork(t *testing.T) {
	t.Helper()
	switch {
	case testing.Short():
		t.Skip("end-to-end tests are not short")
	case missing != "" && os.Getenv("IOTUPD_REQUIRE_NETNS") == "1":
		t.Fatal(missing)
	case missing != "":
		t.Skip(missing)
	}
}

// needsFull skips a test that only measures: how fast this machine is, or how
// many packets arrive while it does something else. No build depends on the
// result.
func needsFull(t *testing.T) {
	t.Helper()
	needsNetwork(t)
	if !full {
		t.Skip("prints figures, which depend on the machine, and asserts none; set IOTUPD_E2E_FULL=1")
	}
}

// removeStale removes what processes that are gone left behind. Their children
// died with them.
func removeStale() {
	namespaces, _ := os.ReadDir("/run/netns") // none if there is no such directory
	for _, n := range namespaces {
		if isStale(n.Name()) {
			exec.Command("ip", "netns", "del", n.Name()).Run()
		}
	}
	mounts, _ := os.ReadFile("/proc/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && isStale(f[0]) {
			unix.Unmount(f[1], unix.MNT_DETACH)
		}
	}
	files, _ := os.ReadDir(os.TempDir())
	for _, f := range files {
		if isStale(f.Name()) {
			os.RemoveAll(filepath.Join(os.TempDir(), f.Name()))
		}
	}
}

// isStale reports whether name is one of ours, of a process that has ended.
func isStale(name string) bool {
	rest, ours := strings.CutPrefix(name, namePrefix)
	number, _, _ := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	return ours && err == nil && unix.Kill(pid, 0) == unix.ESRCH
}

// ownName returns a name that no other test process takes.
func ownName(rest string) string {
	return fmt.Sprintf("%s%d-%s", namePrefix, os.Getpid(), rest)
}

// newRand returns the source of all that a test draws, and logs its seed.
func newRand(t *testing.T) *rand.Rand {
	seed, err := strconv.ParseUint(os.Getenv("IOTUPD_E2E_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("IOTUPD_E2E_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
