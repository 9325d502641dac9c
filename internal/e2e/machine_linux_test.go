// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A machine runs this host's systemd as process 1 in namespaces of its own. Its
// root is the host's, below an overlay; /var/lib is its own, on a disk. Written
// files stay until the end of the test, through boots.
type machine struct {
	t       *testing.T
	overlay string // a tmpfs
	disk    string // its /var/lib
	cgroup  string

	unshare *exec.Cmd     // whose child is process 1; nil: it does not run
	off     chan struct{} // closed: all has ended
	console bytes.Buffer
	init    string // pid of process 1
}

// newMachine makes a machine with the iotupd under test and its units, and boots it.
func newMachine(t *testing.T) *machine {
	t.Helper()
	needsNetwork(t)
	needsSystemd(t)
	m := &machine{t: t}
	var err error
	m.disk, err = os.MkdirTemp("/var/tmp", ownName("disk-"))
	m.must(err)
	t.Cleanup(func() { os.RemoveAll(m.disk) })
	m.overlay, err = os.MkdirTemp(runDir, "overlay-")
	m.must(err)
	m.cgroup = filepath.Join(m.overlay, "cgroups", filepath.Base(m.disk))
	m.must(os.Chmod(m.disk, 0o755))
	m.must(unix.Mount(ownName("overlay"), m.overlay, "tmpfs", 0, "mode=0755"))
	t.Cleanup(func() { unix.Unmount(m.overlay, unix.MNT_DETACH) })
	for _, dir := range []string{"upper/usr/bin", "upper/etc", "work", "root", "cgroups"} {
		m.must(os.MkdirAll(filepath.Join(m.overlay, dir), 0o755))
	}
	m.must(unix.Mount(ownName("cgroups"), filepath.Join(m.overlay, "cgroups"), "cgroup2", 0, ""))
	program, err := os.ReadFile(binary)
	m.must(err)
	m.must(os.WriteFile(filepath.Join(m.overlay, "upper/usr/bin/iotupd"), program, 0o755))
	if out, err := exec.Command("make", "-C", "../..", "units", "DESTDIR="+filepath.Join(m.overlay, "upper"), "PREFIX=/usr").CombinedOutput(); err != nil {
		t.Fatalf("make units: %v\n%s", err, out)
	}
	t.Cleanup(m.end)
	m.boot()
	return m
}

// needsSystemd skips a test if systemd cannot be booted here, or fails it if it has
// to be.
func needsSystemd(t *testing.T) {
	t.Helper()
	why := ""
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		why = err.Error()
	}
	if all, _ := os.ReadFile("/proc/filesystems"); !strings.Contains(string(all), "\tcgroup2\n") {
		why = "this kernel has no control groups of version 2"
	}
	for _, tool := range []string{"unshare", "nsenter", "systemctl", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			why = err.Error()
		}
	}
	switch {
	case why != "" && os.Getenv("IOTUPD_REQUIRE_NETNS") == "1":
		t.Fatal(why)
	case why != "":
		t.Skip(why)
	}
}

// bootScript becomes process 1 of the machine. Of this host's services, only those
// that a system needs to start are left.
const bootScript = `
cd "$0"
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
if ! [ -e etc/booted ]; then
	rm -rf etc/systemd/system usr/lib/systemd/system/multi-user.target.wants usr/lib/systemd/system/timers.target.wants
	mkdir etc/systemd/system
	for unit in systemd-udevd systemd-sysctl systemd-modules-load systemd-udev-trigger getty systemd-logind; do
		ln -s /dev/null etc/systemd/system/$unit.service
	done
	: > etc/machine-id
	: > etc/booted
fi
mount --bind "$1" var/lib
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
cat proc/sys/kernel/random/uuid > run/boot-id
mount --bind run/boot-id proc/sys/kernel/random/boot_id
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mount --make-rslave dev
if [ -e usr/lib/board/loader ]; then
	chroot . /usr/lib/board/loader
fi
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
mount --make-rshared / # as systemd does where it is not in a container
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target --log-level=warning --show-status=no
`

// boot starts the machine, and waits until all has been started that starts then.
func (m *machine) boot() {
	m.t.Helper()
	m.must(os.MkdirAll(m.cgroup, 0o755))
	// The new cgroup namespace begins where the process is that makes it.
	m.unshare = exec.Command("sh", "-c", `echo $$ > "$2"/cgroup.procs && exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child=KILL bash -ec "$3" "$0" "$1"`,
		m.overlay, m.disk, m.cgroup, bootScript)
	m.unshare.Stdout, m.unshare.Stderr = &m.console, &m.console
	m.unshare.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m.must(m.unshare.Start())
	m.off = make(chan struct{})
	go func(cmd *exec.Cmd, off chan struct{}) { cmd.Wait(); close(off) }(m.unshare, m.off)
	eventually(m.t, "systemd runs", func() bool {
		pid := strconv.Itoa(m.unshare.Process.Pid)
		children, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
		m.init = strings.TrimSpace(string(children))
		name, _ := os.ReadFile(filepath.Join("/proc", m.init, "comm"))
		return string(name) == "systemd\n"
	})
	eventually(m.t, "the machine has booted", func() bool {
		out, _ := m.command("systemctl is-system-running --wait").CombinedOutput()
		return strings.HasPrefix(string(out), "running") || strings.HasPrefix(string(out), "degraded")
	})
}

// cut is a power cut.
func (m *machine) cut() {
	if m.unshare == nil {
		return
	}
	m.unshare.Process.Kill() // and with it process 1, and with that all others
	m.down()
}

// down waits until the machine is down, since it has been cut off or reboots.
func (m *machine) down() {
	m.t.Helper()
	eventually(m.t, "the machine is down", func() bool {
		select {
		case <-m.off:
			return true
		default:
			return false
		}
	})
	m.unshare = nil
	eventually(m.t, "all processes of the machine have ended", func() bool {
		return removeCgroup(m.cgroup)
	})
}

// removeCgroup removes a control group with all below it, if no process is in them.
func removeCgroup(path string) bool {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeCgroup(filepath.Join(path, e.Name()))
		}
	}
	err := os.Remove(path)
	return err == nil || os.IsNotExist(err)
}

// end ends the machine. If the test has failed, it shows what the machine logged.
func (m *machine) end() {
	if m.t.Failed() && m.unshare != nil {
		out, _ := m.command("journalctl --no-pager -b -n 150 -o short-monotonic -u 'iotupd*' -u rauc -u sender; systemctl --no-pager --failed").CombinedOutput()
		m.t.Logf("the machine:\n%s%s", m.console.String(), out)
	}
	m.cut()
}

// command returns a command on the machine, for its shell.
func (m *machine) command(line string) *exec.Cmd {
	return exec.Command("nsenter", "-t", m.init, "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", "sh", "-ec", line)
}

// run runs a command on the machine, and returns what it prints.
func (m *machine) run(line string) string {
	m.t.Helper()
	out, err := m.command(line).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

// write writes a file of the machine.
func (m *machine) write(path, content string, mode os.FileMode) {
	m.t.Helper()
	path = m.path(path)
	m.must(os.MkdirAll(filepath.Dir(path), 0o755))
	m.must(os.WriteFile(path, []byte(content), mode))
	m.must(os.Chmod(path, mode))
}

// read returns the content of a file of the machine, or nothing if there is none.
func (m *machine) read(path string) string {
	b, _ := os.ReadFile(m.path(path))
	return string(b)
}

func (m *machine) path(path string) string { return filepath.Join("/proc", m.init, "root", path) }

// property is one of systemctl show.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return m.run("systemctl show -P " + name + " " + unit)
}

// eventually waits until a property has a value for which ok holds.
func (m *machine) eventually(unit, property string, ok func(value string) bool) {
	m.t.Helper()
	eventually(m.t, unit+": "+property, func() bool { return ok(m.property(unit, property)) })
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}
