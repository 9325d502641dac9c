// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A manual is a section of a page, from which a test takes files and commands.
type manual struct {
	t      *testing.T
	files  map[string]string // by path
	blocks []string          // of commands
}

// readManual reads the blocks of code of a section, between paragraphs. The first line
// of a file is a comment with its path.
func readManual(t *testing.T, page, heading string) *manual {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	m := &manual{t: t, files: make(map[string]string)}
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n|^\n)+`).FindAllString(section, -1) {
		block = strings.TrimLeft(strings.ReplaceAll("\n"+block, "\n    ", "\n"), "\n")
		if !strings.HasPrefix(block, "# /") {
			m.blocks = append(m.blocks, block)
			continue
		}
		for file := range strings.SplitSeq("\n"+block, "\n# /") {
			if path, content, _ := strings.Cut(file, "\n"); path != "" {
				m.files["/"+path] = strings.TrimRight(content, "\n") + "\n"
			}
		}
	}
	return m
}

// file returns the content of a file, with a text in place of another one.
func (m *manual) file(path, old, new string) string {
	m.t.Helper()
	content, ok := m.files[path]
	if !ok || !strings.Contains(content, old) {
		m.t.Fatalf("the manual has no %s with %q: %q", path, old, m.files)
	}
	return strings.ReplaceAll(content, old, new)
}

// commands returns the block that has a command.
func (m *manual) commands(with string) string {
	m.t.Helper()
	for _, b := range m.blocks {
		if strings.Contains(b, with) {
			return b
		}
	}
	m.t.Fatalf("the manual has no command with %q: %q", with, m.blocks)
	return ""
}

// isolated checks that the process of a unit has no rights.
func (m *machine) isolated(unit string) {
	m.t.Helper()
	status := m.run("cat /proc/" + m.property(unit, "MainPID") + "/status")
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(status, want) {
			m.t.Errorf("%s: no %q in\n%s", unit, want, status)
		}
	}
	if strings.Contains(status, "Uid:\t0") {
		m.t.Errorf("%s runs as root", unit)
	}
	const most = "20" // tenths
	if out, err := m.command("systemd-analyze security --no-pager --threshold=" + most + " " + unit).CombinedOutput(); err != nil {
		m.t.Errorf("%s: %v\n%s", unit, err, out)
	}
}

// "The unit runs as a user of its own, which has no rights ... systemctl status shows
// how far the sender is." operating.md
func TestASenderIsAService(t *testing.T) {
	t.Parallel()
	m, page := newMachine(t), readManual(t, "operating.md", "As a service")
	m.write("/srv/firmware/firmware.bin", strings.Repeat("firmware", 1<<16), 0o644)
	m.write("/etc/iotupd/release.conf", page.file("/etc/iotupd/release.conf", "50M", "20M"), 0o644)
	m.run(page.commands("iotupd-send@release"))
	m.isolated("iotupd-send@release")
	m.eventually("iotupd-send@release", "StatusText", regexp.MustCompile(`^sends firmware\.bin: loop \d+, \d+%$`).MatchString)
	m.run("cd /root && iotupd recv -o received && cmp received /srv/firmware/firmware.bin")

	m.cut()
	m.boot()
	m.run("cd /root && iotupd recv -o again && cmp again /srv/firmware/firmware.bin")
	m.run("systemctl stop iotupd-send@release")
	if got := m.property("iotupd-send@release", "Result"); got != "success" {
		t.Errorf("stopped by SIGTERM, the result is %q", got)
	}

	m.write("/run/systemd/system/iotupd-send@release.service.d/soon.conf", "[Service]\nWatchdogSec=1\nRestartSec=0\n", 0o644)
	m.run("systemctl daemon-reload; systemctl start iotupd-send@release; kill -STOP $(systemctl show -P MainPID iotupd-send@release)")
	m.eventually("iotupd-send@release", "NRestarts", func(n string) bool { return n != "0" })

	m.write("/etc/iotupd/wrong.conf", "FILE=/srv/firmware/firmware.bin\nIOTUPD_RATE=fast\n", 0o644)
	m.command("systemctl start iotupd-send@wrong").Run()
	m.eventually("iotupd-send@wrong", "ActiveState", func(s string) bool { return s == "failed" })
	if got := m.property("iotupd-send@wrong", "NRestarts"); got != "0" {
		t.Errorf("with wrong flags, it was started again %s times", got)
	}
}

// hook is the command of IOTUPD_EXEC in tests: it notes each call, and fails if it is
// to.
const hook = `#!/bin/sh -e
[ "$(id -u)" = 0 ]
cp "$1" /srv/installed
echo "$IOTUPD_FILE_SEQUENCE $IOTUPD_ATTEMPT" >> /srv/calls
[ ! -e /srv/fails ]
`

// A device is a machine with the units for devices, as the manual starts them, and a
// sender beside them.
type device struct {
	*machine
	page *manual
}

func newDevice(t *testing.T) *device {
	t.Helper()
	d := &device{newMachine(t), readManual(t, "operating.md", "As a service")}
	d.write("/srv/hook", hook, 0o755)
	d.run("mkdir -p /etc/iotupd /srv/release; cd /srv/release; iotupd keygen -s key -p /etc/iotupd/release.pub")
	d.write("/etc/iotupd/firmware.conf", d.page.file("/etc/iotupd/firmware.conf", "rauc install", "/srv/hook"), 0o644)
	d.run(d.page.commands("iotupd-recv@firmware"))
	return d
}

// sends sends a release instead of the last one.
func (d *device) sends(sequence int, flags string) {
	d.t.Helper()
	d.run(fmt.Sprintf(`systemctl stop sender 2>/dev/null || true
cd /srv/release
head -c 200000 /dev/urandom > firmware.bin
iotupd sign -q firmware.bin -s key --sequence %d
systemd-run -q --collect --unit=sender --working-directory=/srv/release iotupd send -r 20M firmware.bin --manifest firmware.bin.iotupd %s`, sequence, flags))
}

// called waits until the hook has been called so.
func (d *device) called(calls ...string) {
	d.t.Helper()
	want := strings.Join(calls, "\n") + "\n"
	eventually(d.t, "calls "+strings.Join(calls, ", "), func() bool { return d.read("/srv/calls") == want })
}

// idle waits until the installing service has ended, as it should.
func (d *device) idle() {
	d.t.Helper()
	d.eventually("iotupd-install@firmware", "ActiveState", func(s string) bool { return s == "inactive" })
	for unit, want := range map[string]string{"iotupd-install@firmware": "success", "iotupd-install@firmware.path": "success"} {
		if got := d.property(unit, "Result"); got != want {
			d.t.Errorf("%s: result %q, want %q", unit, got, want)
		}
	}
}

// "An attacker who takes over the one that has contact with the network cannot install
// anything ... It makes all attempts to install a release, and succeeds even if they
// fail". operating.md
func TestADeviceReceivesAndInstallsByTwoServices(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.isolated("iotupd-recv@firmware")
	d.eventually("iotupd-recv@firmware", "StatusText", func(s string) bool { return s == "waits for a file" })
	d.sends(1, "")
	d.called("1 1")
	d.run("cmp /srv/installed /srv/release/firmware.bin")
	d.idle()
	if got := d.run(d.page.commands("iotupd status")); !strings.Contains(got, "installed") {
		t.Errorf("the status is %s", got)
	}

	d.run("touch /srv/fails")
	d.sends(2, "")
	d.called("1 1", "2 1")
	d.eventually("iotupd-install@firmware", "StatusText", func(s string) bool {
		return strings.HasPrefix(s, "firmware.bin is not installed, next attempt after ")
	})
	d.cut()
	d.boot() // the next attempt comes at once, without a sender
	d.called("1 1", "2 1", "2 2")
	d.run("rm /srv/fails; systemctl restart iotupd-install@firmware")
	d.called("1 1", "2 1", "2 2", "2 3")
	d.run("cmp /srv/installed /srv/release/firmware.bin")
	d.idle()
	d.cut()
	d.boot()
	d.idle()

	d.run("systemctl stop iotupd-recv@firmware iotupd-install@firmware.path")
	for _, unit := range []string{"iotupd-recv@firmware", "iotupd-install@firmware.path"} {
		if got := d.property(unit, "Result"); got != "success" {
			t.Errorf("%s was stopped, and its result is %q", unit, got)
		}
	}
	d.called("1 1", "2 1", "2 2", "2 3") // nothing twice
}

// "It ... succeeds even if they fail ... With wrong flags, it fails, and is not started
// any more." operating.md
func TestReleasesThatFailDoNotEndTheServices(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	d.write("/etc/iotupd/firmware.conf", d.read("/etc/iotupd/firmware.conf")+"IOTUPD_EXEC_ATTEMPTS=1\n", 0o644)
	d.run("touch /srv/fails")
	var calls []string
	const many = 6 // systemd gives a unit up that is started more than 5 times in 10 s
	for sequence := 1; sequence <= many; sequence++ {
		d.sends(sequence, "")
		calls = append(calls, fmt.Sprint(sequence, " 1"))
		d.called(calls...)
		d.idle()
	}
	d.run("rm /srv/fails")
	d.run("iotupd keygen -q --group /etc/iotupd/group.key; chmod 600 /etc/iotupd/group.key")
	key := "/etc/systemd/system/iotupd-recv@firmware.service.d/key.conf"
	d.write(key, d.page.file(key, "", ""), 0o644)
	d.run("systemctl daemon-reload; systemctl restart iotupd-recv@firmware")
	d.sends(7, "-k /etc/iotupd/group.key")
	calls = append(calls, "7 1")
	d.called(calls...)
	d.idle()

	right := d.read("/etc/iotupd/firmware.conf")
	d.write("/etc/iotupd/firmware.conf", right+"IOTUPD_EXEC_TIMEOUT=soon\n", 0o644)
	d.sends(8, "-k /etc/iotupd/group.key")
	for _, unit := range []string{"iotupd-install@firmware", "iotupd-install@firmware.path"} {
		d.eventually(unit, "ActiveState", func(s string) bool { return s == "failed" })
	}
	d.write("/etc/iotupd/firmware.conf", right, 0o644)
	d.run(d.page.commands("reset-failed"))
	d.called(append(calls, "8 1")...)
}
