// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"iotupd/cmd/iotupd/internal/cobra"
)

// version is set by the Makefile for releases.
var version = ""

// unknown stands for properties that a build does not record.
const unknown = "unknown"

// BuildVersion returns the version of the program: of a release, or as the
// toolchain recorded it.
func BuildVersion() string { return currentBuild().Version }

// A build is what is known about how a program was made.
type build struct {
	Version  string `json:"program_version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"` // files of the commit were changed
	Go       string `json:"go"`
	System   string `json:"system"` // as GOOS/GOARCH
}

func currentBuild() build {
	info, _ := debug.ReadBuildInfo() // nil: not known
	return buildOf(version, info)
}

// buildOf describes the build of a release, or else as the toolchain recorded it.
func buildOf(release string, info *debug.BuildInfo) build {
	b := build{Version: release, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		info = new(debug.BuildInfo)
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = unknown
	}
	b.Commit, b.Modified = commitIn(b.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// commitIn finds the commit in a version that git describe or the toolchain has made,
// as in v1.2-5-g01ab0bd-dirty, 01ab0bd or v0.0.0-20261129170519-01ab0bd4c3f2+dirty.
func commitIn(version string) (commit string, modified bool) {
	version, git := strings.CutSuffix(version, "-dirty")
	version, toolchain := strings.CutSuffix(version, "+dirty")
	modified = git || toolchain
	at := strings.LastIndex(version, "-")
	last := version[at+1:]
	if hash, ok := strings.CutPrefix(last, "g"); ok && at > 0 && isHash(hash) {
		return hash, modified
	}
	if at > 0 && len(last) != 12 || !isHash(last) {
		return unknown, modified
	}
	return last, modified
}

// isHash reports whether a text is a commit. One of digits alone may be a date.
func isHash(s string) bool {
	return len(s) >= 7 && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == "" && strings.ContainsAny(s, "abcdef")
}

// text is b for people.
func (b build) text() string {
	commit := b.Commit
	if b.Modified {
		commit += ", modified"
	}
	return fmt.Sprintf("iotupd version %s\ncommit %s\n%s %s\n", b.Version, commit, b.Go, b.System)
}

const versionHelp = `Print the version of iotupd, the commit that it was built from, and the version
of Go that built it.`

// NewVersionCommand prints how the program was built.
func NewVersionCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:                   "version [flags]",
		Short:                 "print version, commit and Go version",
		Long:                  versionHelp,
		Annotations:           map[string]string{ExitCodesKey: ExitCodeHelp},
		DisableFlagsInUseLine: true,
		Args:                  NoArguments,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := currentBuild()
			text := b.text()
			if asJSON {
				text = eventLine("version", b)
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), text)
			return WithCode(ExitLocalIO, err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an event as a JSON line")
	return cmd
}

// VersionEvents returns an example of the event of version, for docs/json.md.
func VersionEvents() map[string]any { return map[string]any{"version": build{}} }
