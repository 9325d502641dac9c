// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
)

// Units and scripts name flags and variables that their commands have.
func TestServicesUseFlagsThatExist(t *testing.T) {
	files, err := filepath.Glob("*/iotupd*")
	check(t, err)
	if len(files) < 7 {
		t.Fatalf("found %q only", files)
	}
	var (
		commandLine = regexp.MustCompile(`(?:iotupd|command_args=)[" ]+(recv|send|install|status|retry) (.*)`)
		flag        = regexp.MustCompile(`--([a-z-]+)`)
		variable    = regexp.MustCompile(`IOTUPD_[A-Z_]*[A-Z]\b`)
		continued   = regexp.MustCompile(`\s*\\\n\s*`)
	)
	for _, path := range files {
		b, err := os.ReadFile(path)
		check(t, err)
		text := continued.ReplaceAllString(string(b), " ")
		flags, variables := make(map[string]bool), make(map[string]bool)
		for _, c := range newRootCommand().Commands() {
			c.Flags().VisitAll(func(f *pflag.Flag) {
				flags[c.Name()+" "+f.Name] = true
				variables[cli.EnvironmentName(f)] = true
			})
		}
		found := 0
		for _, line := range commandLine.FindAllStringSubmatch(text, -1) {
			for _, f := range flag.FindAllStringSubmatch(line[2], -1) {
				found++
				if !flags[line[1]+" "+f[1]] {
					t.Errorf("%s: iotupd %s has no flag --%s", path, line[1], f[1])
				}
			}
		}
		if found == 0 && strings.Contains(text, "/bin/iotupd") {
			t.Errorf("%s: found no flags", path)
		}
		for _, v := range variable.FindAllString(text, -1) {
			if !variables[v] {
				t.Errorf("%s: %s is the variable of no flag", path, v)
			}
		}
	}
}
