// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A state that a reboot loses, or that cannot be written, is refused unless the system
// itself says which release runs.
func TestAStateThatDoesNotSurviveAReboot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt").CombinedOutput(); err != nil {
		t.Skipf("no mount namespaces here: %v: %s", err, out)
	}
	key := newReleaser(t)
	self, err := os.Executable()
	check(t, err)
	for name, test := range map[string]struct{ mount, want string }{
		"on a tmpfs": {`mount -t tmpfs tmpfs at`, "in memory"},
		"on an overlay whose upper directory is on a tmpfs": {
			`mkdir low ram; mount -t tmpfs tmpfs ram; mkdir ram/up ram/wk; mount -t overlay overlay -o lowerdir=low,upperdir=ram/up,workdir=ram/wk at`, "in memory"},
		"on a disk that is read-only": {`mount --bind at at; mount -o remount,bind,ro at at`, "read-only"},
		"on a disk":                   {`:`, ""},
	} {
		for _, flag := range []string{"", " --installed-sequence @missing"} {
			script := "set -e; mkdir -p at; mount -t tmpfs tmpfs /run; " + test.mount +
				`; exec "$0" recv -o - --trust "$1" --state at/state --timeout 1ms -i lo -p 1` + flag
			cmd := exec.Command("unshare", "-m", "sh", "-c", script, self, key.path("pub"))
			cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), asCommand+"="+unhurried)
			out, err := cmd.CombinedOutput()
			code, want := 0, 4
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			if test.want != "" && flag == "" {
				want = 11
			}
			if code != want || want == 11 && !strings.Contains(string(out), test.want) {
				t.Errorf("%s%s: got exit code %d, want %d: %s", name, flag, code, want, out)
			}
		}
	}
}
