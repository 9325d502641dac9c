// SPDX-License-Identifier: GPL-2.0-or-later

package arch

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// deviceTags are those of "make device".
const deviceTags = "nobench,nosend,nocompletion"

// notOnDevices are packages, "x/..." for all below x, that a program which only
// receives has no use for, or that are large.
var notOnDevices = []string{
	"iotupd/sender/...", "iotupd/internal/listeners/...", "iotupd/internal/clock/...",
	"iotupd/bench", "iotupd/bench/live/...", "iotupd/bench/model/...", "iotupd/bench/orders/...", "iotupd/bench/report/...", "iotupd/bench/stats/...",
	"iotupd/cmd/iotupd/internal/bench/...", "iotupd/cmd/iotupd/internal/encode/...",
	"iotupd/cmd/iotupd/internal/send/...", "iotupd/cmd/iotupd/internal/sign/...",
	"crypto/tls/...", "crypto/x509/...", "html/template/...", "net/http/...",
	"github.com/spf13/cobra/...", "text/template/...", "regexp/...", "log/...", "encoding/json/...",
}

// linked lists the packages of the program with some build tags.
func linked(t *testing.T, tags string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-tags", tags, "iotupd/cmd/iotupd").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Fields(string(out))
}

func isOneOf(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		root, below := strings.CutSuffix(p, "/...")
		return pkg == root || below && strings.HasPrefix(pkg, root+"/")
	})
}

func TestTheProgramForDevicesIsSmall(t *testing.T) {
	device, full := linked(t, deviceTags), linked(t, "")
	for _, pkg := range device {
		if isOneOf(pkg, notOnDevices) {
			t.Errorf("-tags %s: %s is linked", deviceTags, pkg)
		}
	}
	if !slices.Contains(device, "iotupd/cmd/iotupd/internal/recv") || !slices.Contains(full, "iotupd/sender/agent") {
		t.Errorf("got %d and %d packages, and not those that are wanted", len(device), len(full))
	}
}
