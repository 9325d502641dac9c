// SPDX-License-Identifier: GPL-2.0-or-later

package netif_test

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/internal/mcast/mcasttest"
	"iotupd/internal/netif"
)

// sandboxed is set in the environment of a test that runs without netlink.
const sandboxed = "IOTUPD_TEST_WITHOUT_NETLINK"

func TestMain(m *testing.M) {
	if os.Getenv(sandboxed) != "" {
		os.Exit(inSandbox())
	}
	mcasttest.Main(m)
}

// inSandbox forbids system calls and executes this program again, which then prints
// what it lists.
func inSandbox() int {
	switch os.Getenv(sandboxed) {
	case "netlink":
		os.Setenv(sandboxed, "entered")
		fmt.Fprintln(os.Stderr, mcasttest.Exec("/proc/self/exe", os.Args, os.Environ(), mcasttest.Netlink))
		return 2
	case "all":
		os.Setenv(sandboxed, "entered")
		fmt.Fprintln(os.Stderr, mcasttest.Exec("/proc/self/exe", os.Args, os.Environ(), mcasttest.Netlink, mcasttest.IndexByName))
		return 2
	}
	if _, err := net.Interfaces(); !errors.Is(err, unix.EAFNOSUPPORT) {
		fmt.Fprintln(os.Stderr, "netlink is not forbidden:", err)
		return 2
	}
	all, err := netif.List()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Print(describeAll(all))
	return 0
}

// listInSandbox returns what inSandbox prints, and its exit code.
func listInSandbox(t *testing.T, forbidden string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), sandboxed+"="+forbidden)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case strings.HasPrefix(stderr.String(), unix.EINVAL.Error()), strings.HasPrefix(stderr.String(), unix.ENOSYS.Error()):
		t.Skipf("this kernel does not filter system calls: %s", &stderr)
	case stderr.Len() > 0, cmd.ProcessState == nil:
		t.Fatalf("%v: %s", err, &stderr)
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// describeAll prints all that is known of interfaces, without hardware addresses.
func describeAll(all []netif.Interface) string {
	var s strings.Builder
	slices.SortFunc(all, func(a, b netif.Interface) int { return cmp.Compare(a.Index, b.Index) })
	for _, i := range all {
		slices.SortFunc(i.Has, func(a, b netif.Address) int { return a.Compare(b.Addr) })
		fmt.Fprintln(&s, i.Index, i.Name, i.MTU, i.Flags, i.Master, i.MasterKind)
		for _, a := range i.Has {
			a.Secondary = false // IPv4 says it by netlink alone
			fmt.Fprintln(&s, "\t", a.Addr, a.Tentative, a.Failed, a.Deprecated)
		}
	}
	return s.String()
}

// many makes interfaces of all kinds in the namespace of the test, as far as it has
// one and the kernel has those.
func many(t *testing.T) {
	t.Helper()
	mcasttest.NewPeer(t, "rx0", "tx0")
	for _, line := range []string{
		"ip addr add 10.77.0.1/24 dev rx0",
		"ip addr add 10.77.0.3/24 dev rx0",                // a second one of its network
		"ip addr add 10.78.0.1/24 dev rx0 label rx0:name", // with a label
		"ip addr add fd77::1/64 dev rx0",
		"ip link add name veth-of-15-byte type veth peer name down0",
		"ip addr add 192.0.2.1 peer 192.0.2.2 dev veth-of-15-byte",
		"ip link add name br-lan type bridge",
		"ip link set veth-of-15-byte master br-lan",
		"ip addr add fd77::7/64 dev veth-of-15-byte",
		"ip link set veth-of-15-byte up", // without a link, its address stays tentative
	} {
		mcasttest.Command(t, line)
	}
	t.Cleanup(func() { mcasttest.Command(t, "ip link del down0"); mcasttest.Command(t, "ip link del br-lan") })
	for n := range 70 { // more than the first piece of memory has room for
		mcasttest.Command(t, fmt.Sprintf("ip addr add 10.79.0.%d/32 dev rx0", n))
	}
}

func TestInterfacesAreTheSameWithoutNetlink(t *testing.T) {
	many(t)
	with, err := netif.List()
	if err != nil {
		t.Fatal(err)
	}
	want := describeAll(with)
	t.Logf("%s", want)
	if !strings.Contains(want, " br-lan bridge") {
		t.Error("the bridge of a port is not known")
	}
	// Without netlink, that is from /sys, which is that of another namespace here.
	want = strings.Replace(want, " br-lan bridge", "  ", 1)
	if len(with) < 4 || strings.Count(want, "10.79.") != 70 || !strings.Contains(want, "fd77::1") {
		t.Errorf("that is not what was made")
	}
	for name, system := range map[string]func() ([]netif.Interface, error){
		"it fails":            func() ([]netif.Interface, error) { return nil, unix.EPERM },
		"it leaves out names": func() ([]netif.Interface, error) { return make([]netif.Interface, 3), nil }, // as under some emulators
		"it answers nothing":  func() ([]netif.Interface, error) { return nil, nil },
	} {
		without, err := netif.ListBy(system)
		if got := describeAll(without); err != nil || got != want {
			t.Errorf("%s: got %v\n%swant\n%s", name, err, got, want)
		}
	}
}

// Some sandboxes forbid netlink, as RestrictAddressFamilies=AF_INET AF_INET6 of
// systemd does.
func TestInterfacesAreListedInASandboxWithoutNetlink(t *testing.T) {
	all, err := netif.List()
	if err != nil {
		t.Fatal(err)
	}
	want := describeAll(all)
	if got, code := listInSandbox(t, "netlink"); code != 0 || got != want {
		t.Errorf("got exit code %d\n%swant\n%s", code, got, want)
	}
}

func TestAListThatFailsInAllWaysSaysSoInOneLine(t *testing.T) {
	got, code := listInSandbox(t, "all")
	for _, want := range []string{netif.ErrNotListed.Error() + ": ", "netlinkrib", "nor without netlink: ", "ioctl", "allow this process"} {
		if code != 1 || !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("got exit code %d and %q, want %q in it", code, got, want)
		}
	}
}

func TestInterfacesAreFoundByNameAndIndex(t *testing.T) {
	all, err := netif.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		byName, err := netif.ByName(i.Name)
		if err != nil || byName.Index != i.Index {
			t.Errorf("%s: got %+v, %v", i.Name, byName, err)
		}
		byIndex, err := netif.ByIndex(i.Index)
		if err != nil || byIndex.Name != i.Name {
			t.Errorf("%d: got %+v, %v", i.Index, byIndex, err)
		}
	}
	if _, err := netif.ByName("none999"); !errors.Is(err, netif.ErrNotFound) {
		t.Errorf("no such name: got %v", err)
	}
}

func TestFilesOfTheKernelAreParsed(t *testing.T) {
	devices := netif.ParseDevices("Inter-|   Receive    |  Transmit\n face |bytes    packets errs|bytes\n" +
		"    lo:    5012      46    0    0\nenp3s0:123456789 1 2 3\neth0.7: 0\n")
	if want := []string{"lo", "enp3s0", "eth0.7"}; !slices.Equal(devices, want) {
		t.Errorf("got %q, want %q", devices, want)
	}
	got := netif.ParseAddresses6("00000000000000000000000000000001 01 80 10 80       lo\n" +
		"fe800000000000000000000000000002 02 40 20 80     eth0\nfd770000000000000000000000000002 02 40 00 c0     eth0\nfd770000000000000000000000000003 02 40 00 c8     eth0\n" +
		"fe80 02 40 20 80     torn\nfe800000000000000000000000000002 02 40 2")
	eth0 := got["eth0"]
	if len(got) != 2 || fmt.Sprint(got) != "map[eth0:[fe80::2 fd77::2 fd77::3] lo:[::1]]" ||
		!eth0[0].Usable() || !eth0[1].Tentative || eth0[1].Failed || eth0[2].Tentative || !eth0[2].Failed {
		t.Errorf("got %v", got)
	}
}

func TestThePartsOfOthersAreFoundInSys(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"eth0", "eth1", "eth2", "br0/bridge", "bond0/bonding", "red"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, master := range map[string]string{"eth0": "br0", "eth1": "bond0", "eth2": "red"} {
		err := errors.Join(os.WriteFile(filepath.Join(dir, name, "ifindex"), []byte("7\n"), 0o666),
			os.Symlink("../"+master, filepath.Join(dir, name, "master")))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name, master, kind string
		index              int
	}{
		{"eth0", "br0", "bridge", 7}, {"eth1", "bond0", "bond", 7}, {"eth2", "red", "", 7}, {"br0", "", "", 7},
		{"eth0", "", "", 8}, // that of another network namespace
	} {
		if name, kind := netif.MasterIn(dir, net.Interface{Name: test.name, Index: test.index}); name != test.master || kind != test.kind {
			t.Errorf("%+v: got %q, %q", test, name, kind)
		}
	}
}
