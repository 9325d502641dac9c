// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
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
