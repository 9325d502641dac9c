// SPDX-License-Identifier: GPL-2.0-or-later

package mcasttest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/internal/leak"
)

// insideVariable is set in the environment of a test that has a network
// namespace of its own.
const insideVariable = "IOTUPD_TEST_INSIDE_NETNS"

// Main runs the tests of a package, for its TestMain, and exits. Where the kernel
// allows, it does so in a new network namespace, by running the test binary
// again: a goroutine may move to any thread, so that the whole process has to be
// in the namespace. Nothing that the tests send can then leave the host, and the
// namespace goes away with them.
func Main(m *testing.M) {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where tools are that users have no need of
	if os.Getenv(insideVariable) == "" {
		if code, err := rerun(); err == nil {
			os.Exit(code)
		}
		os.Exit(leak.Main(m))
	}
	if err := configure("lo"); err != nil {
		fmt.Fprintln(os.Stderr, "namespace:", err)
		os.Exit(1)
	}
	os.Exit(leak.Main(m))
}

// rerun runs this test binary in a new network namespace. The error is that
// there can be none.
func rerun() (code int, err error) {
	if _, err := exec.LookPath("ip"); err != nil {
		return 0, err
	}
	runtime.LockOSThread() // the child dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 { // as root of a user namespace
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// configure brings up an interface of the namespace it is called in, and makes
// addresses usable at once there, without the second that is spent looking for
// duplicates.
func configure(name string) error {
	for _, scope := range []string{"all", "default"} {
		file := "/proc/sys/net/ipv6/conf/" + scope + "/accept_dad"
		if err := os.WriteFile(file, []byte("0"), 0); err != nil && !os.IsNotExist(err) { // a host without IPv6
			return err
		}
	}
	return command("ip", "link", "set", name, "up")
}

func command(arg ...string) error {
	out, err := exec.Command(arg[0], arg[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(arg, " "), err, out)
	}
	return nil
}

// NeedNamespace skips the test if it does not run in a namespace of its own. It
// fails instead if the environment has IOTUPD_REQUIRE_NETNS=1.
func NeedNamespace(t testing.TB) {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return
	}
	const why = "needs a network namespace: run as root, with iproute2 installed"
	if os.Getenv("IOTUPD_REQUIRE_NETNS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// needTool skips the test if a program is not installed, or fails it if it has to
// run.
func needTool(t testing.TB, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("IOTUPD_REQUIRE_NETNS") == "1":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// Command runs a command in the namespace of the test, given as one line. The test
// is skipped if there is no such program here.
func Command(t testing.TB, line string) {
	t.Helper()
	needTool(t, strings.Fields(line)[0])
	if err := command(strings.Fields(line)...); err != nil {
		t.Fatal(err)
	}
}

// A Peer is a second network namespace, connected to the one of the test by a
// virtual cable.
type Peer struct {
	t     testing.TB
	calls chan func()
	name  string // of its end of the cable
}

// NewPeer makes a namespace and a cable with two ends, here in the namespace of
// the test and there in the new one. Both ends are up, and have link-local IPv6
// addresses, fe80::1 here and fe80::2 there. It needs a namespace, see
// [NeedNamespace], and is gone when the test has ended.
func NewPeer(t testing.TB, here, there string) *Peer {
	t.Helper()
	NeedNamespace(t)
	p := &Peer{t: t, calls: make(chan func()), name: there}
	started := make(chan error)
	go p.serve(started)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(p.calls) })
	p.Plug(here)
	return p
}

// serve runs calls on a thread of its own in a namespace of its own. The thread
// is not given back, and ends with the goroutine.
func (p *Peer) serve(started chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread's namespace counts as the namespace of the process, and
		// has to stay. While this goroutine holds it, another one gets another.
		done := make(chan struct{})
		go func() { p.serve(started); close(done) }()
		<-done
		runtime.UnlockOSThread()
		return
	}
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		err = configure("lo")
	}
	started <- err
	for call := range p.calls {
		call()
	}
}

// Do runs f in the namespace of p. What f opens stays there; goroutines that it
// starts do not.
func (p *Peer) Do(f func()) {
	done := make(chan struct{})
	p.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Command runs a command in the namespace of p, given as one line.
func (p *Peer) Command(line string) {
	p.t.Helper()
	needTool(p.t, strings.Fields(line)[0])
	var err error
	p.Do(func() { err = command(strings.Fields(line)...) })
	if err != nil {
		p.t.Fatal(err)
	}
}

// Plug adds the cable, if [Peer.Unplug] took it away.
func (p *Peer) Plug(here string) {
	p.t.Helper()
	p.Command(fmt.Sprintf("ip link add %s type veth peer name %s netns %d", p.name, here, os.Getpid()))
	p.t.Cleanup(func() { command("ip", "link", "del", here) })
	addEnd(func(line string) { p.t.Helper(); Command(p.t, line) }, here, "fe80::1")
	addEnd(p.Command, p.name, "fe80::2")
}

// addEnd brings up one end of a cable, with no address but the given one.
func addEnd(run func(line string), name, address string) {
	run("ip link set " + name + " addrgenmode none")
	run("ip link set " + name + " up")
	run("ip addr add " + address + "/64 dev " + name + " nodad")
}

// Unplug takes the cable away, both ends of it.
func (p *Peer) Unplug() {
	p.t.Helper()
	p.Command("ip link del " + p.name)
}
