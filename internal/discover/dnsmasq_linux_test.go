// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/internal/mcast/mcasttest"
)

// A nameServer is a dnsmasq in the namespace of the tests. It ends with the test.
type nameServer struct {
	t    *testing.T
	addr netip.AddrPort
	cmd  *exec.Cmd
}

// serve starts a name server with those records, as options of dnsmasq.
func serve(t *testing.T, addr string, records ...string) *nameServer {
	t.Helper()
	mcasttest.NeedNamespace(t)
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		if os.Getenv("IOTUPD_REQUIRE_NETNS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := &nameServer{t: t, addr: netip.MustParseAddrPort(addr)}
	// No daemon: as root of a user namespace it may not become another user.
	args := []string{"--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
		"--bind-interfaces", "--no-dhcp-interface=lo", "--local=/net/",
		"--listen-address=" + s.addr.Addr().String(), fmt.Sprint("--port=", s.addr.Port())}
	for _, r := range records {
		args = append(args, "--"+r)
	}
	s.cmd = exec.Command("dnsmasq", args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("dnsmasq said:\n%s", log.String())
		}
	})
	s.waitUntilUp()
	return s
}

// waitUntilUp waits until the server accepts connections.
func (s *nameServer) waitUntilUp() {
	s.t.Helper()
	for range 1000 {
		if c, err := net.Dial("tcp", s.addr.String()); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("dnsmasq does not come up")
}

func (s *nameServer) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// resolver asks those servers. One that is down refuses at once, and one that is up
// has all the time that it needs.
func resolver(servers ...*nameServer) Resolver {
	r := Resolver{Timeout: time.Minute}
	for _, s := range servers {
		r.Servers = append(r.Servers, s.addr)
	}
	return r
}

var records = []string{
	"srv-host=_iotupd._udp.fw.example.net,rack1.example.net,18868,10",
	"srv-host=_iotupd._udp.fw.example.net,alias.example.net,18868,10",
	"srv-host=_iotupd._udp.fw.example.net,rack3.example.net,18869,20",
	"txt-record=_iotupd._udp.fw.example.net,txtvers=1,g=ff3e::8000:10,g4=232.1.2.16,l=4",
	"host-record=rack1.example.net,192.0.2.1,2001:db8::1,30",
	"host-record=rack2.example.net,192.0.2.2",
	"cname=alias.example.net,rack2.example.net,20",
	"host-record=rack3.example.net,2001:db8::3",
	"local-ttl=600",
}

func TestARealNameServer(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:53", "[::1]:5300"} {
		p, err := resolver(serve(t, addr, records...)).Resolve(t.Context(), channel, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantLevels(t, p, "10 alias.example.net 192.0.2.2 18868", "10 rack1.example.net 192.0.2.1 18868",
			"10 rack1.example.net 2001:db8::1 18868", "20 rack3.example.net 2001:db8::3 18869")
		if p.Group6.String() != "ff3e::8000:10" || p.Group4.String() != "232.1.2.16" || p.Layers != 4 || p.Refused != nil {
			t.Errorf("got %+v", p)
		}
	}
}

func TestTheServersOfTheHostAreAskedByDefault(t *testing.T) {
	serve(t, "127.0.0.1:53", records...)
	usual := resolvConf
	resolvConf = filepath.Join(t.TempDir(), "resolv.conf")
	t.Cleanup(func() { resolvConf = usual })
	_, err := Resolver{}.Resolve(t.Context(), channel, nil)
	if err == nil || !strings.Contains(err.Error(), "name one by --resolver") {
		t.Errorf("without the file: got %v", err)
	}
	for _, text := range []string{"nameserver 127.0.0.1\n", "nameserver 127.0.0.99\nnameserver 127.0.0.1\n", ""} {
		if err := os.WriteFile(resolvConf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (Resolver{}).Resolve(t.Context(), channel, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatIsTooLongForUDPComesOverTCP(t *testing.T) {
	more := []string{"srv-host=_iotupd._udp.fw.example.net,many.example.net,18868,10"}
	for i := range 100 {
		more = append(more, fmt.Sprintf("host-record=many.example.net,2001:db8::%d", i))
	}
	p, err := resolver(serve(t, "127.0.0.1:53", more...)).Resolve(t.Context(), channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Levels[0].Sources); n != maxSources {
		t.Errorf("%d sources, want %d of 100", n, maxSources)
	}
}

func TestARealNameServerThatKnowsNothing(t *testing.T) {
	s := serve(t, "127.0.0.1:53", "host-record=rack1.example.net,192.0.2.1", "txt-record=_iotupd._udp.other.example.net,txtvers=1")
	_, err := resolver(s).Resolve(t.Context(), channel, nil)
	if !errors.As(err, new(*NotFoundError)) || !strings.Contains(err.Error(), "_iotupd._udp.fw.example.net: there is no such name (NXDOMAIN)") {
		t.Errorf("got %v", err)
	}
	_, err = resolver(s).Resolve(t.Context(), "other.example.net", nil)
	if !errors.As(err, new(*NotFoundError)) || !strings.Contains(err.Error(), "there is no record of this type") {
		t.Errorf("got %v", err)
	}
	_, err = resolver(s).Resolve(t.Context(), "fw.elsewhere.com", nil) // which is refused, for lack of anybody to ask
	if err == nil || errors.As(err, new(*NotFoundError)) || !strings.Contains(err.Error(), "Refused") {
		t.Errorf("got %v", err)
	}
}

func TestTheNextServerIsAskedIfOneIsDown(t *testing.T) {
	first, second := serve(t, "127.0.0.1:53"), serve(t, "127.0.0.2:53", records...)
	first.stop()
	p, err := resolver(first, second).Resolve(t.Context(), channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	second.stop()
	_, err = resolver(first, second).Resolve(t.Context(), channel, p)
	if err == nil || !strings.Contains(err.Error(), "name server 127.0.0.2:53, asked for SRV of _iotupd._udp.fw.example.net: ") {
		t.Errorf("got %v", err)
	}
	serve(t, "127.0.0.1:53", records...)
	if again, err := resolver(first, second).Resolve(t.Context(), channel, p); err != nil || !again.isSameUpTo(p, 2) {
		t.Errorf("got %+v, %v; want %+v", again, err, p)
	}
}
