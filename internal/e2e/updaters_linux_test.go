// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// A board is a machine with two slots and a boot loader, which is a script. A slot
// holds the sequence of its release, and the word broken if that does not start.
type board struct {
	*machine
	page *manual
}

const (
	otherSlot = "#!/bin/sh -e\n[ \"$(cat /srv/board/booted)\" = A ] && echo B || echo A\n"
	bootNext  = "#!/bin/sh -e\necho \"$1\" > /srv/board/primary\n"

	// The slot that is to boot next, or else the one before. The running system
	// is the content of this slot.
	loader = `#!/bin/sh -e
cd /srv/board
read -r sequence broken < "$(cat primary)"
if [ "$broken" ]; then
	cat booted > primary
fi
cat primary > booted
read -r sequence broken < "$(cat booted)"
echo "$sequence" > /etc/iotupd-sequence
`

	// Of RAUC, which does not read the slot from the command line of the kernel here.
	raucConf = `[system]
compatible=test-device
bootloader=custom
statusfile=/srv/board/rauc.status

[handlers]
bootloader-custom-backend=/usr/lib/board/rauc

[keyring]
path=/etc/rauc/ca.pem

[slot.rootfs.0]
device=/srv/board/A
type=raw
bootname=A

[slot.rootfs.1]
device=/srv/board/B
type=raw
bootname=B
`
	raucLoader = `#!/bin/sh -e
cd /srv/board
case $1 in
get-primary) cat primary ;;
set-primary) echo "$2" > primary ;;
get-state) cat state."$2" 2>/dev/null || echo good ;;
set-state) echo "$3" > state."$2" ;;
esac
`
	raucUnit = `[Service]
ExecStart=
ExecStart=/bin/sh -c 'exec /usr/bin/rauc --override-boot-slot=$$(cat /srv/board/booted) --mount=/run/rauc service'
`
)

// newBoard makes a board that runs release 7, with the files and commands that a
// section of the manual has for it.
func newBoard(t *testing.T, section string, tools ...string) *board {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	b := &board{machine: newMachine(t), page: readManual(t, "updaters.md", section)}
	b.write("/usr/lib/board/other-slot", otherSlot, 0o755)
	b.write("/usr/lib/board/boot-next", bootNext, 0o755)
	b.write("/usr/lib/board/loader", loader, 0o755)
	b.write("/usr/lib/board/rauc", raucLoader, 0o755)
	b.write("/etc/rauc/system.conf", raucConf, 0o644)
	b.write("/etc/systemd/system/rauc.service.d/board.conf", raucUnit, 0o644)
	b.write("/etc/hwrevision", "test-device 1.0\n", 0o644)
	b.run(`mkdir -p /srv/board /srv/release /etc/iotupd
cd /srv/release
for updater in rauc swupdate; do
	openssl req -x509 -newkey rsa:2048 -nodes -keyout $updater.key.pem -out $updater.cert.pem -days 3650 -subj /CN=release -addext extendedKeyUsage=emailProtection
done
cp rauc.cert.pem /etc/rauc/ca.pem
cp swupdate.cert.pem /etc/
iotupd keygen -s iotupd.key -p /etc/iotupd/release.pub
cd /srv/board
truncate -s 1M A B
echo 7 | dd of=A conv=notrunc
echo A > primary`)
	for path, content := range b.page.files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
			content = strings.Replace(content, "\n", "\necho $IOTUPD_FILE_SEQUENCE >> /srv/board/calls\n", 1)
		}
		if !strings.HasPrefix(path, "/srv/release/") {
			b.write(path, content, mode)
		}
	}
	b.run("/usr/lib/board/loader; systemctl daemon-reload; systemctl enable --now " + b.units())
	return b
}

// units are those that the manual starts.
func (b *board) units() string { return "iotupd-recv@firmware iotupd-install@firmware.path" }

// sends sends a release, as the manual says.
func (b *board) sends(sequence int, broken bool) {
	b.t.Helper()
	for path, content := range b.page.files {
		if strings.HasPrefix(path, "/srv/release/") {
			b.write(path, content, 0o644)
		}
	}
	first := strconv.Itoa(sequence)
	if broken {
		first += " broken"
	}
	b.run("cd /srv/release; rm -f *.img; mkdir -p bundle; (echo " + first + "; head -c 300000 /dev/urandom) | tee rootfs.img > bundle/rootfs.img")
	b.run("cd /srv/release; rm -f firmware.*;" + strings.NewReplacer("--sequence 8", "--sequence "+strconv.Itoa(sequence), "iotupd send", sendUnit).Replace(b.page.commands("iotupd sign")))
}

// sendsAgain sends the last release once more.
func (b *board) sendsAgain() {
	b.t.Helper()
	for line := range strings.Lines(b.page.commands("iotupd sign")) {
		if arguments, is := strings.CutPrefix(line, "iotupd send"); is {
			b.run(sendUnit + arguments)
		}
	}
}

// sendUnit is a command that sends something without end.
const sendUnit = "systemctl stop sender 2>/dev/null || true; systemd-run -q --collect --unit=sender --working-directory=/srv/release iotupd send -r 20M"

// reboots waits until the board reboots, and has started again.
func (b *board) reboots() {
	b.t.Helper()
	b.down()
	b.boot()
}

// calls are the sequences of the releases for which the command of the manual ran.
func (b *board) calls() string { return strings.Join(strings.Fields(b.read("/srv/board/calls")), " ") }

// runs waits until the records say what has become of the last release, and checks
// which release the board runs.
func (b *board) runs(sequence int, status string) {
	b.t.Helper()
	if got := strings.TrimSpace(b.read("/etc/iotupd-sequence")); got != strconv.Itoa(sequence) {
		b.t.Errorf("release %s runs, want %d", got, sequence)
	}
	eventually(b.t, status, func() bool { return strings.Contains(b.run(b.page.commands("iotupd status")), status) })
}

// "If the boot loader goes back to the old slot, the release counts as rolled back, and
// is not installed again before a release with a higher sequence arrives". updaters.md
func (b *board) updates() {
	b.t.Helper()
	b.sends(8, false)
	b.reboots()
	b.runs(8, "confirmed")

	b.sends(9, true)
	b.reboots()
	b.runs(8, "rolled-back")
	b.sendsAgain()
	eventually(b.t, "a receiver has met the release again", func() bool {
		return strings.Contains(b.run("journalctl -b --no-pager -u iotupd-recv@firmware"), "was installed before")
	})

	b.sends(10, false)
	b.reboots()
	b.runs(10, "confirmed")
	if got := b.calls(); got != "8 9 10" {
		b.t.Errorf("installed %s, want each release once", got)
	}
}

func TestRAUCInstallsReleasesAndRollsOneBack(t *testing.T) {
	t.Parallel()
	newBoard(t, "RAUC", "rauc", "mksquashfs", "dbus-daemon", "openssl").updates()
}

func TestSWUpdateInstallsReleasesAndRollsOneBack(t *testing.T) {
	t.Parallel()
	newBoard(t, "SWUpdate", "swupdate", "openssl", "cpio").updates()
}
