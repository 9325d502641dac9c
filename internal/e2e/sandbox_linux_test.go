// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"iotupd/internal/mcast/mcasttest"
)

// sandboxVariable is set in the environment of this program when it is to execute
// its arguments in a sandbox: "netlink" is forbidden there, or "all" ways to list the
// interfaces of a host, or to ask for "priority".
const sandboxVariable = "IOTUPD_E2E_SANDBOX"

func enterSandbox() int {
	forbidden := map[string][]mcasttest.Forbidden{
		"netlink": {mcasttest.Netlink}, "all": {mcasttest.Netlink, mcasttest.IndexByName}, "priority": {mcasttest.Priority},
	}[os.Getenv(sandboxVariable)]
	fmt.Fprintln(os.Stderr, mcasttest.Exec(os.Args[1], os.Args[1:], os.Environ(), forbidden...))
	return 1
}

// sandbox has all that runs on a host from now on do so in a sandbox.
func (h *host) sandbox(kind string) {
	h.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	h.runs = []string{"env", sandboxVariable + "=" + kind, self, binary}
}

// Some sandboxes forbid netlink, by which programs list the interfaces of a host. A
// named interface is found there, too, and so is every suitable one.
func TestTransfersDoNotNeedNetlink(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	sender.sandbox("netlink")
	receiver.sandbox("netlink")
	for _, family := range []string{"-6", "-4"} {
		transfer(t, sender, receiver, family)
		transfer(t, sender, receiver, family, "-i", "eth0")
	}
}

// Where interfaces cannot be listed at all, the error says so, and does not advise
// to name one.
func TestInterfacesThatCannotBeListedAreReported(t *testing.T) {
	t.Parallel()
	h := newLab(t).host(bothFamilies)
	h.sandbox("all")
	for _, args := range [][]string{
		{"recv", "-o", newTarget(t)},
		{"recv", "-o", newTarget(t), "-i", "eth0"},
		{"send", newFile(t, mib)},
		{"send", newFile(t, mib), "-i", "eth0"},
	} {
		p := h.start(args...)
		p.wantExit(10, "cannot list the network interfaces: ")
		if got := p.messages(); strings.Contains(got, "-i ") || strings.Count(got, "\n") != 1 {
			t.Errorf("%q: got %q, want one line, without the advice to name an interface", args, got)
		}
	}
}

// systemd may hide /proc/net (ProcSubset=pid) beside netlink (RestrictAddressFamilies).
func TestTransfersDoNotNeedProcNet(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(linkLocalOnly), l.host(linkLocalOnly)
	for _, h := range []*host{sender, receiver} {
		h.sandbox("netlink")
		h.runs = append([]string{"unshare", "-m", "sh", "-c", `mount -t proc -o subset=pid proc /proc && exec "$@"`, "sh"}, h.runs...)
	}
	transfer(t, sender, receiver, "-i", "eth0")
	transfer(t, sender, receiver)
}

// A filter of system calls may end a process that asks for priority.
func TestNoPriorityIsAskedForWhereSystemCallsAreFiltered(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(linkLocalOnly), l.host(linkLocalOnly)
	sender.sandbox("priority")
	transfer(t, sender, receiver)
	if code := sender.send(newFile(t, 1<<10), "--priority", "always").exit(); code != -1 {
		t.Errorf("asked for it explicitly: got exit code %d, want that this ends it", code)
	}
}
