// SPDX-License-Identifier: GPL-2.0-or-later

package live_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"iotupd/bench/live"
)

// needsNamespaces skips a test that cannot run here, or fails it if it has to.
func needsNamespaces(t *testing.T) {
	t.Helper()
	why, probe := "", fmt.Sprintf("iotupd-bench-%d-probe", os.Getpid())
	if _, err := exec.LookPath("ip"); err != nil {
		why = err.Error()
	}
	if os.Geteuid() != 0 {
		why = "network namespaces need root"
	} else if out, err := exec.Command("ip", "netns", "add", probe).CombinedOutput(); err != nil {
		why = fmt.Sprintf("cannot make a network namespace: %v: %s", err, out) // in a container, perhaps
	} else {
		exec.Command("ip", "netns", "del", probe).Run()
	}
	switch {
	case why != "" && os.Getenv("IOTUPD_REQUIRE_NETNS") == "1":
		t.Fatal(why)
	case why != "":
		t.Skip(why)
	}
}

func TestNamespacesCarryATransferAndAreRemoved(t *testing.T) {
	needsNamespaces(t)
	o := options(t)
	// A namespace that a killed run has left behind, whose process has ended.
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	stale := fmt.Sprintf("iotupd-bench-%d-host0", gone.Process.Pid)
	if out, err := exec.Command("ip", "netns", "add", stale).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", stale).Run() }) // in case of failure
	o.OnLoopback = false
	where := ""
	o.Note = func(text string) { where = text }
	r, err := live.Run(t.Context(), small(t, "bernoulli:10%"), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows[0].Completed != 2 || !strings.Contains(where, "namespaces") {
		t.Errorf("%s: got %+v", where, r.Rows[0])
	}
	left, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stale, fmt.Sprintf("iotupd-bench-%d-", os.Getpid())} {
		if strings.Contains(string(left), name) {
			t.Errorf("still there: %s", left)
		}
	}
}
