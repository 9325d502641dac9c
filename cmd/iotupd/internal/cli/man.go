// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"iotupd/cmd/iotupd/internal/cobra"
)

// NewManCommand writes the man pages, which are made from the help, for those
// who package the program.
func NewManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "write the man pages to a directory",
		Hidden: true,
		Args:   OneArgument("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for name, page := range ManPages(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(page), 0o666); err != nil {
					return LocalError(name, err)
				}
			}
			return nil
		},
	}
}

// ManPages returns the pages by the names of their files.
func ManPages(root *cobra.Command) map[string]string {
	pages := make(map[string]string)
	for _, cmd := range documented(root) {
		pages[manName(cmd)+".1"] = manPage(cmd)
	}
	return pages
}

// documented returns those that have a page, of a command and all below it.
func documented(cmd *cobra.Command) (all []*cobra.Command) {
	if cmd.Annotations[ExitCodesKey] != "" {
		all = append(all, cmd)
	}
	for _, c := range cmd.Commands() {
		all = append(all, documented(c)...)
	}
	return all
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// A roff is a man page in the making.
type roff struct{ strings.Builder }

// raw adds a line of requests as it is.
func (r *roff) raw(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// Text adds text, paragraph by paragraph. Indented lines are kept as they are.
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
	name := manName(cmd)
	r.raw(".TH %s 1 \"\" iotupd \"User Commands\"", strings.ToUpper(name))
	r.raw(".SH NAME\n%s \\- %s", roffQuote(name), roffQuote(cmd.Short))
	r.raw(".SH SYNOPSIS\n%s", roffQuote(cmd.UseLine()))
	r.raw(".SH DESCRIPTION")
	r.text(cmd.Long)
	if details := cmd.Annotations[DetailsKey]; details != "" {
		r.raw(".PP")
		r.text(strings.TrimSpace(details))
	}
	if cmd.HasExample() {
		r.raw(".SH EXAMPLES")
		r.text(cmd.Example)
	}
	r.raw(".SH OPTIONS")
	for _, section := range Sections(cmd, true) {
		r.raw(".SS %s", roffQuote(section.Heading))
		for _, f := range section.Flags {
			r.option(HelpOf(f))
		}
	}
	r.raw(".SH EXIT STATUS")
	for _, e := range ExitMeaningsOf(cmd.Name()) {
		r.raw(".TP\n%d\n%s", e.Code, roffQuote(e.meaning))
	}
	r.raw(".SH ENVIRONMENT\nEvery option can be set by a variable, \\-\\-shard\\-size for example by IOTUPD_SHARD_SIZE.\n" +
		"An option overrides its variable.")
	r.raw(".SH SEE ALSO")
	for _, other := range documented(cmd.Root()) {
		if other != cmd {
			r.raw(".BR %s (1)", roffQuote(manName(other)))
		}
	}
	return r.String()
}

func (r *roff) option(h flagHelp) {
	if h.Default != "" {
		h.Text += " (default " + h.Default + ")"
	}
	r.raw(".TP\n\\fB%s\\fR\n%s", roffQuote(strings.TrimSpace(h.Label)), roffQuote(h.Text))
}
