// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The man pages are made from the help by a test, so that nothing of it is in
// the binary:
//
//	go test ./cmd/iotupd -run TestManPages -man DIRECTORY
var manDir = flag.String("man", "", "directory to write man pages to")

func TestManPages(t *testing.T) {
	root := newRootCommand()
	pages := map[string]string{"iotupd.1": manPage(root)}
	for _, cmd := range root.Commands() {
		if cmd.Annotations[exitCodesKey] != "" {
			pages["iotupd-"+cmd.Name()+".1"] = manPage(cmd)
		}
	}
	if len(pages) < 3 {
		t.Errorf("got %d pages, want one for iotupd and one for each command", len(pages))
	}
	for name, page := range pages {
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"} {
			if !strings.Contains(page, "\n.SH "+section+"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
		if *manDir != "" {
			write(t, filepath.Join(*manDir, name), page)
		}
	}
}

// A roff is a man page in the making.
type roff struct{ strings.Builder }

// raw adds a line of requests as it is.
func (r *roff) raw(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// text adds text, paragraph by paragraph. Indented lines are kept as they are.
func (r *roff) text(s string) {
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			r.raw(".PP")
		}
		if strings.HasPrefix(paragraph, "  ") {
			r.raw(".nf\n%s\n.fi", roffQuote(paragraph))
		} else {
			r.raw("%s", roffQuote(paragraph))
		}
	}
}

// roffQuote makes s plain text: nothing in it is a request, and a hyphen can be
// copied as one.
func roffQuote(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func manPage(cmd *cobra.Command) string {
	var r roff
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	r.raw(".TH %s 1 \"\" iotupd \"User Commands\"", strings.ToUpper(name))
	r.raw(".SH NAME\n%s \\- %s", roffQuote(name), roffQuote(cmd.Short))
	r.raw(".SH SYNOPSIS\n%s", roffQuote(cmd.UseLine()))
	r.raw(".SH DESCRIPTION")
	r.text(cmd.Long)
	if cmd.HasExample() {
		r.raw(".SH EXAMPLES")
		r.text(cmd.Example)
	}
	r.raw(".SH OPTIONS")
	heading := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if h := f.Annotations[headingKey]; h != nil && h[0] != heading {
			heading = h[0]
			r.raw(".SS %s", heading)
		}
		r.option(helpOf(f))
	})
	r.raw(".SH EXIT STATUS")
	for _, e := range exitMeaningsOf(cmd.Name()) {
		r.raw(".TP\n%d\n%s", e.code, roffQuote(e.meaning))
	}
	r.raw(".SH ENVIRONMENT\nEvery option can be set by a variable, \\-\\-shard\\-size for example by IOTUPD_SHARD_SIZE.\n" +
		"An option goes before its variable.")
	r.raw(".SH SEE ALSO\n.BR iotupd (1),\n.BR iotupd\\-send (1),\n.BR iotupd\\-recv (1)")
	return r.String()
}

func (r *roff) option(h flagHelp) {
	if h.preset != "" {
		h.text += " (default " + h.preset + ")"
	}
	r.raw(".TP\n\\fB%s\\fR\n%s", roffQuote(strings.TrimSpace(h.label)), roffQuote(h.text))
}
