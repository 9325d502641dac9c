// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/proto"
)

// channel is the name that the senders of these tests are found by.
const channel = "fw.example.net"

// A nameServer is a dnsmasq on a host. It ends with the test.
type nameServer struct {
	*host
	cmd *exec.Cmd
	log bytes.Buffer
}

// serve starts a name server with those records, as options of dnsmasq.
func (h *host) serve(records ...string) *nameServer {
	h.t.Helper()
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		if os.Getenv("IOTUPD_REQUIRE_NETNS") == "1" {
			h.t.Fatal(err)
		}
		h.t.Skip(err)
	}
	s := &nameServer{host: h}
	args := []string{"netns", "exec", h.name, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
		"--no-hosts", "--user=root", "--pid-file=", "--bind-interfaces", "--log-facility=-", "--log-queries",
		"--local=/net/", "--local-ttl=1", "--listen-address=" + h.ipv4()}
	for _, r := range records {
		args = append(args, "--"+r)
	}
	s.cmd = exec.Command("ip", args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		s.stop()
		if h.t.Failed() {
			h.t.Logf("dnsmasq\n%s", s.log.String())
		}
	})
	eventually(h.t, "the name server is up", func() bool {
		return inNamespace("/run/netns/"+h.name, func() error {
			c, err := net.Dial("tcp", h.ipv4()+":53")
			if err == nil {
				c.Close()
			}
			return err
		}) == nil
	})
	return s
}

func (s *nameServer) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// record returns the records that make a host a sender of the channel.
func (h *host) record(priority, port int) []string {
	name := fmt.Sprintf("rack%d.example.net", h.n)
	return []string{
		fmt.Sprintf("srv-host=_iotupd._udp.%s,%s,%d,%d", channel, name, port, priority),
		fmt.Sprintf("host-record=%s,%s,%s", name, h.ipv4(), h.ipv6()),
	}
}

// sendOn starts a sender of the channel.
func (h *host) sendOn(port int, source string, flags ...string) *process {
	h.t.Helper()
	return h.send(source, append([]string{"--channel", channel, "--source-specific", "--port", fmt.Sprint(port)}, flags...)...)
}

// find starts a receiver that asks a name server on another host.
func (h *host) find(target string, ns *host, flags ...string) *process {
	h.t.Helper()
	return h.start(append([]string{"recv", "dns:" + channel, "-o", target, "--resolver", ns.ipv4()}, flags...)...)
}

// wantSources waits until the kernel of a host lets in packets of those hosts
// only, of those asked about.
func (h *host) wantSources(of []*host, want ...*host) {
	h.t.Helper()
	eventually(h.t, "the sources are joined", func() bool {
		filters := h.sh(`cat /proc/net/mcfilter6`)
		for _, o := range of {
			joined := strings.Contains(filters, strings.ReplaceAll(fmt.Sprintf("fd77:0000:0000:0000:0000:0000:0000:%04x", o.n), ":", ""))
			wanted := false
			for _, w := range want {
				wanted = wanted || w == o
			}
			if joined != wanted {
				return false
			}
		}
		return true
	})
}

func TestSendersThatDNSNamesStandInForEachOther(t *testing.T) {
	// "All records of the lowest priority are joined together." spec.md 8.3
	for _, family := range []string{"-6", "-4"} {
		t.Run(family, func(t *testing.T) {
			l := newLab(t)
			ns, a, b, stranger, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
			ns.serve(append(a.record(10, 18868), b.record(10, 18868)...)...)
			source, other, target := newFile(t, 8*mib), newFile(t, mib), newTarget(t)
			stranger.sendOn(18868, other, "--rate", "20M", family).wait("sending")
			senders := map[string]*process{}
			for _, h := range []*host{a, b} {
				p := h.sendOn(18868, source, "--rate", "20M", family)
				senders[h.ipv6()], senders[h.ipv4()] = p, p
			}
			receiver.only(proto.TypeManifest)
			r := receiver.find(target, ns)
			found := r.wait("found")
			senders[found.From].kill()
			receiver.open()
			e := r.done()
			t.Logf("the first of two senders killed; done in %.2f s, ignored %v", e.Seconds, e.Ignored)
			wantSame(t, target, source)
			if e.Ignored["other-object"] != 0 {
				t.Errorf("ignored %v; want no packet of a sender that DNS does not name", e.Ignored)
			}
		})
	}
}

func TestTheBackupTakesOverWhenItsBettersAreSilent(t *testing.T) {
	t.Parallel()
	// "After 30 s without a packet the records of the next priority replace them
	// ..." spec.md 8.3
	l := newLab(t)
	ns, a, b, c, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	ns.serve(append(append(a.record(10, 18868), b.record(10, 20000)...), c.record(20, 20001)...)...)
	source, target := newFile(t, 8*mib), newTarget(t)
	// So slow that there is time to kill them, however busy this host is.
	first := []*process{a.sendOn(18868, source, "--rate", "500k"), b.sendOn(20000, source, "--rate", "500k")}
	for _, p := range append(first, c.sendOn(20001, source, "--rate", "50M")) {
		p.wait("sending")
	}
	failover := "5s"
	if full {
		failover = "30s"
	}
	r := receiver.find(target, ns, "--failover", failover)
	for _, port := range []int{18868, 20000} {
		if got := r.wait("listening"); got.Port != port {
			t.Errorf("listening on port %d, want %d", got.Port, port)
		}
	}
	all := []*host{a, b, c}
	receiver.wantSources(all, a, b)
	at := r.waitUntilHeld(0.01)
	for _, p := range first {
		p.kill()
	}
	killed := time.Now()
	if got := r.wait("listening"); got.Port != 20001 || strings.Join(got.Sources, " ") != c.ipv4()+" "+c.ipv6() {
		t.Errorf("listening on port %d to %q, want the backup", got.Port, got.Sources)
	}
	took := time.Since(killed)
	receiver.wantSources(all, c)
	e := r.done()
	t.Logf("both senders killed at %d of %d shards; the backup is listened to %.1f s later; done after %.2f s", at.Held, at.Needed, took.Seconds(), e.Seconds)
	wantSame(t, target, source)
}

func TestAReceiverMovesWithTheRecords(t *testing.T) {
	t.Parallel()
	// "They are also asked again when no packet has come for 30 s, the time after
	// which the next priority takes over." spec.md 8.3
	l := newLab(t)
	ns, a, b, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	s := ns.serve(a.record(10, 18868)...)
	source, target := newFile(t, 4*mib), newTarget(t)
	b.sendOn(18868, source, "--rate", "50M") // and a is silent
	r := receiver.find(target, ns, "--failover", "3s")
	r.wait("listening")
	receiver.wantSources([]*host{a, b}, a)
	s.stop()
	ns.serve(b.record(10, 18868)...)
	r.wait("listening")
	receiver.wantSources([]*host{a, b}, b)
	r.done()
	wantSame(t, target, source)
}

func TestANameServerThatIsDownIsAskedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ns, sender, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	source, target := newFile(t, mib), newTarget(t)
	sender.sendOn(18868, source, "--rate", "50M")
	r := receiver.find(target, ns)
	if w := r.wait("warn"); w.Code != "discovery" || !strings.Contains(w.Text, "connection refused; trying again in 5 s") {
		t.Errorf("warned %q, want that nobody answers", w.Text)
	}
	ns.serve(sender.record(10, 18868)...)
	r.done()
	wantSame(t, target, source)
}

func TestAnswersThatLeadNowhereAreExplained(t *testing.T) {
	t.Parallel()
	srv := "srv-host=_iotupd._udp." + channel
	tests := []struct {
		name    string
		records []string
		want    string
	}{
		{"no name", nil, "no SRV record at _iotupd._udp.fw.example.net: there is no such name (NXDOMAIN)"},
		{"the host itself", []string{srv + ",a.example.net,18868,1", "host-record=a.example.net,127.0.0.1,::1"},
			"a.example.net has the address ::1, which no sender can have"},
		{"a group for a source", []string{srv + ",a.example.net,18868,1", "host-record=a.example.net,239.1.2.3"},
			"a.example.net has the address 239.1.2.3, which no sender can have"},
		{"port 0", []string{srv + ",a.example.net,0,1", "host-record=a.example.net,10.1.2.3"}, "port 0"},
		{"a host for a group", []string{srv + ",a.example.net,18868,1", "host-record=a.example.net,10.1.2.3",
			"txt-record=_iotupd._udp." + channel + ",txtvers=1,g=2001:db8::1"}, "not a multicast address"},
	}
	l := newLab(t)
	ns, receiver := l.host(bothFamilies), l.host(bothFamilies)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ns, receiver := *ns, *receiver
			ns.t, receiver.t = t, t
			ns.serve(test.records...)
			target := oldFile(t)
			r := receiver.find(target, &ns)
			if w := r.wait("warn"); !strings.Contains(w.Text, test.want) {
				t.Errorf("warned %q, want %q", w.Text, test.want)
			}
			if code := r.stop(); code != 130 {
				t.Errorf("exit code %d, want that it waits until it is stopped, 130", code)
			}
			receiver.find(target, &ns, "--timeout", "1s").wantExit(4, "nothing was heard")
			wantOld(t, target)
		})
	}
}

func TestASenderIsFoundByTheRecordsThatItPrints(t *testing.T) {
	for name, flags := range map[string][]string{
		"any source":           nil,
		"source-specific IPv4": {"--channel", channel, "--source-specific", "-4", "--port", "20000"},
		"a group":              {"--group", "ff3e::8000:77"},
		"two layers":           {"--layers", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			ns, sender, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
			zone := sender.sh(strings.Join(append([]string{binary, "send", "--print-dns", channel}, flags...), " "))
			ns.serve(fromZone(t, zone)...)
			source, target := newFile(t, mib), newTarget(t)
			sender.send(source, append(flags, "--rate", "50M")...)
			receiver.find(target, ns).done()
			wantSame(t, target, source)
		})
	}
}

// fromZone turns a zone into options of dnsmasq.
func fromZone(t *testing.T, zone string) (options []string) {
	t.Helper()
	for line := range strings.Lines(zone) {
		f := strings.Fields(strings.NewReplacer(". ", " ", ".\n", "\n", `"`, "").Replace(line))
		switch name, typ := f[0], f[3]; typ {
		case "SRV":
			options = append(options, fmt.Sprintf("srv-host=%s,%s,%s,%s", name, f[7], f[6], f[4]))
		case "TXT":
			options = append(options, fmt.Sprintf("txt-record=%s,%s", name, strings.Join(f[4:], ",")))
		default:
			options = append(options, fmt.Sprintf("host-record=%s,%s", name, f[4]))
		}
	}
	return options
}
