// SPDX-License-Identifier: GPL-2.0-or-later

package live

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// namePrefix begins the names of all namespaces. The number of the process
	// that made them follows.
	namePrefix = "iotupd-bench-"
	// hostInterface is the one of every host. It is called like none of the
	// machine's, so that a process that is not where it should be fails.
	hostInterface = "bench0"
	// linkTimeout bounds the wait for a link to come up.
	linkTimeout = 5 * time.Second
)

// namespaces is a network of its own: hosts with one interface each, and a
// switch that floods multicast.
type namespaces struct {
	made  []string // namespaces, the switch first
	hosts int
}

// openNamespaces makes a network without hosts. It fails where that cannot be
// done, and leaves nothing behind then.
func openNamespaces() (place, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, errors.New("network namespaces need the program ip")
	}
	removeStale()
	n := new(namespaces)
	err := n.add("switch")
	if err == nil {
		err = ip(n.made[0], "link add br0 type bridge mcast_snooping 0", "link set br0 up")
	}
	if err == nil {
		err = n.grow(1) // what fails, fails with the first one
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// removeStale removes what processes left behind that were killed.
func removeStale() {
	entries, _ := os.ReadDir("/run/netns") // none if there is no such directory
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), namePrefix)
		number, _, _ := strings.Cut(rest, "-")
		if pid, err := strconv.Atoi(number); ours && err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			exec.Command("ip", "netns", "del", e.Name()).Run()
		}
	}
}

// add makes a namespace.
func (n *namespaces) add(name string) error {
	name = fmt.Sprintf("%s%d-%s", namePrefix, os.Getpid(), name)
	if err := ip("", "netns add "+name); err != nil {
		return err
	}
	n.made = append(n.made, name)
	return nil
}

func (n *namespaces) grow(hosts int) error {
	for ; n.hosts < hosts; n.hosts++ {
		if err := n.plug(n.hosts); err != nil {
			return err
		}
	}
	return nil
}

// plug makes a host and connects it to the switch.
func (n *namespaces) plug(host int) error {
	if err := n.add(fmt.Sprint("host", host)); err != nil {
		return err
	}
	name := n.name(host)
	port := fmt.Sprint("port", host)
	err := ip(n.made[0],
		fmt.Sprintf("link add %s type veth peer name %s netns %s", port, hostInterface, name),
		fmt.Sprintf("link set %s master br0 up", port))
	if err == nil {
		// An address that is there at once, without a test for duplicates.
		err = ip(name, "link set lo up",
			fmt.Sprintf("link set %s addrgenmode none", hostInterface),
			fmt.Sprintf("address add fe80::%x/64 dev %s nodad", host+1, hostInterface),
			fmt.Sprintf("link set %s up", hostInterface))
	}
	if err == nil {
		err = waitForLink(name)
	}
	return err
}

func (n *namespaces) name(host int) string { return n.made[host+1] }

func waitForLink(name string) error {
	for end := time.Now().Add(linkTimeout); ; time.Sleep(5 * time.Millisecond) {
		out, err := exec.Command("ip", "-n", name, "-o", "link", "show", hostInterface).CombinedOutput()
		switch {
		case err != nil:
			return fmt.Errorf("ip link show: %w: %s", err, out)
		case strings.Contains(string(out), " state UP "):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("a veth link does not come up: %s", out)
		}
	}
}

// ip runs commands of the program ip in a namespace, or in none.
func ip(namespace string, commands ...string) error {
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", commands[0], err, strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}

func (n *namespaces) command(host int, args []string) []string {
	return append([]string{"ip", "netns", "exec", n.name(host)}, args...)
}

func (n *namespaces) flags() ([]string, error) {
	return []string{"-6", "-i", hostInterface}, nil
}

// close removes the hosts, and then the switch, whose end takes all links with
// it.
func (n *namespaces) close() error {
	var errs []error
	for i := len(n.made) - 1; i >= 0; i-- {
		errs = append(errs, ip("", "netns del "+n.made[i]))
	}
	n.made, n.hosts = nil, 0
	return errors.Join(errs...)
}
