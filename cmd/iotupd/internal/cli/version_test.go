// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestTheCommitComesFromTheToolchainOrTheVersion(t *testing.T) {
	const revision = "01ab0bd4c3f2e1d0a9b8c7d6e5f4031221304152"
	vcs := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}}
	}
	module := func(version string) *debug.BuildInfo { return &debug.BuildInfo{Main: debug.Module{Version: version}} }
	tests := []struct {
		release  string
		info     *debug.BuildInfo
		version  string
		commit   string
		modified bool
	}{
		{"v1.2", vcs("false"), "v1.2", revision, false},
		{"v1.2-dirty", vcs("true"), "v1.2-dirty", revision, true},
		{"v1.2-5-g01ab0bd", nil, "v1.2-5-g01ab0bd", "01ab0bd", false},
		{"v1.2-5-g0123456", nil, "v1.2-5-g0123456", unknown, false}, // may be anything
		{"v1.2-5-g01ab0bd-dirty", module("(devel)"), "v1.2-5-g01ab0bd-dirty", "01ab0bd", true},
		{"01ab0bd", nil, "01ab0bd", "01ab0bd", false},
		{"", module("v0.0.0-20261129170519-01ab0bd4c3f2+dirty"), "v0.0.0-20261129170519-01ab0bd4c3f2+dirty", "01ab0bd4c3f2", true},
		{"", module("v1.2.4-0.20261129170519-01ab0bd4c3f2"), "v1.2.4-0.20261129170519-01ab0bd4c3f2", "01ab0bd4c3f2", false},
		{"v1.2.3", nil, "v1.2.3", unknown, false},
		{"v1.2.3-20261129", nil, "v1.2.3-20261129", unknown, false},
		{"20261129", nil, "20261129", unknown, false},
		{"", module("(devel)"), "(devel)", unknown, false},
		{"", nil, unknown, unknown, false},
	}
	for _, test := range tests {
		b := buildOf(test.release, test.info)
		if b.Version != test.version || b.Commit != test.commit || b.Modified != test.modified {
			t.Errorf("release %q, %+v: got version %q, commit %q, modified %v, want %q, %q, %v", test.release, test.info,
				b.Version, b.Commit, b.Modified, test.version, test.commit, test.modified)
		}
		if !strings.HasPrefix(b.Go, "go") && !strings.HasPrefix(b.Go, "devel") || !strings.Contains(b.System, "/") {
			t.Errorf("got Go %q on %q", b.Go, b.System)
		}
	}
}
