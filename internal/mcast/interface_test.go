// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"net"
	"strings"
	"testing"
)

func TestSuitableByFlagsAndName(t *testing.T) {
	const lan = net.FlagUp | net.FlagBroadcast | net.FlagMulticast | net.FlagRunning
	for _, test := range []struct {
		names string
		flags net.Flags
		want  bool
	}{
		{"eth0 wlan0 enp3s0 en0 br0 br-lan bond0 eth0.7 vmbr0 wwan0 usb0", lan, true},
		{"eth0 wlan0", lan &^ net.FlagUp, false},
		{"eth0 wlan0", lan &^ net.FlagMulticast, false},
		{"ppp0 utun3", lan | net.FlagPointToPoint, false},
		{"lo", net.FlagUp | net.FlagLoopback, false},
		{"lo0", net.FlagUp | net.FlagLoopback | net.FlagMulticast, false},
		{"docker0 docker_gwbridge br-0123456789ab virbr0 cni0 cni-podman0 podman1 lxcbr0 lxdbr0", lan, false},
		{"cali123 flannel.1 veth12ab vnet0 tun0 tap0 wg0 tailscale0 ztabc", lan, false},
	} {
		for name := range strings.FieldsSeq(test.names) {
			if got := suitable(net.Interface{Name: name, Flags: test.flags}); got != test.want {
				t.Errorf("%s with flags %v: suitable = %v, want %v", name, test.flags, got, test.want)
			}
		}
	}
}

func TestInterfaceByNameListsWhatThereIs(t *testing.T) {
	_, err := InterfaceByName("eth999")
	want := `interface "eth999" not found; up and able to multicast here: ` + suitableNames()
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPickDefault(t *testing.T) {
	eth0, wlan0, lo := Interface{Name: "eth0"}, Interface{Name: "wlan0"}, Interface{Name: "lo", Loopback: true}
	for _, test := range []struct {
		name       string
		candidates []Interface
		routes     []string
		want       string
		wantErr    string
	}{
		{"the best default route", []Interface{eth0, wlan0}, []string{"wlan0", "eth0"}, "wlan0", ""},
		{"not through a tunnel", []Interface{eth0, wlan0}, []string{"tun0", "eth0"}, "eth0", ""},
		{"the only one", []Interface{wlan0}, nil, "wlan0", ""},
		{"the only one, whatever the route", []Interface{wlan0}, []string{"ppp0"}, "wlan0", ""},
		{"nothing but loopback", []Interface{lo}, nil, "lo", ""},
		{"no way to tell", []Interface{eth0, wlan0}, []string{"ppp0"}, "", "choose one with -i: eth0, wlan0"},
		{"nothing", nil, []string{"ppp0"}, "", "no network interface is up"},
	} {
		got, err := pickDefault(test.candidates, test.routes)
		if got.Name != test.want || (err == nil) != (test.wantErr == "") {
			t.Errorf("%s: got %q, %v, want %q, %q", test.name, got.Name, err, test.want, test.wantErr)
		}
		if err != nil && !strings.Contains(err.Error(), test.wantErr) {
			t.Errorf("%s: error %q does not say %q", test.name, err, test.wantErr)
		}
	}
}
