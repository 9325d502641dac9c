// SPDX-License-Identifier: GPL-2.0-or-later

package netif_test

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
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
		addresses, err := i.Addresses()
		slices.SortFunc(addresses, netip.Addr.Compare)
		fmt.Fprintln(&s, i.Index, i.Name, i.MTU, i.Flags, addresses, err)
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
	} {
		mcasttest.Command(t, line)
	}
	t.Cleanup(func() { mcasttest.Command(t, "ip link del down0") })
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
	if len(with) < 4 || strings.Count(want, "10.79.") != 70 || !strings.Contains(want, "fd77::1") {
		t.Errorf("that is not what was made")
	}
	for name, system := range map[string]func() ([]net.Interface, error){
		"it fails":           func() ([]net.Interface, error) { return nil, unix.EPERM },
		"it answers nothing": func() ([]net.Interface, error) { return nil, nil },
	} {
		without, err := netif.ListBy(system)
		if got := describeAll(without); err != nil || got != want {
			t.Errorf("%s: got %v\n%swant\n%s", name, err, got, want)
		}
	}
	// The address list alone may fail, too.
	for _, i := range with {
		want, _ := i.Addresses()
		got, err := netif.AddressesWithoutNetlink(i.Index, unix.EPERM)
		slices.SortFunc(want, netip.Addr.Compare)
		slices.SortFunc(got, netip.Addr.Compare)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", i.Name, got, err, want)
		}
	}
	if _, err := netif.AddressesWithoutNetlink(1<<30, unix.EPERM); !errors.Is(err, unix.EPERM) || !errors.Is(err, netif.ErrNotFound) {
		t.Errorf("no such interface: got %v", err)
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
		"fe800000000000000000000000000002 02 40 20 80     eth0\nfd770000000000000000000000000002 02 40 00 80     eth0\n" +
		"fe80 02 40 20 80     torn\nfe800000000000000000000000000002 02 40 2")
	if len(got) != 2 || fmt.Sprint(got["lo"]) != "[::1]" || fmt.Sprint(got["eth0"]) != "[fe80::2 fd77::2]" {
		t.Errorf("got %v", got)
	}
}
