// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cobra"
)

// A task is a part of a command's help: flags under a heading, by name, with spaces
// between.
type task struct {
	heading string
	first   string // on the first page, which is --help
	more    string // in --help-all and the man page only
}

// FirstPageFlags is the highest number of flags on a first page.
const FirstPageFlags = 15

// pages is the one place that says which flags are on the first page of each command,
// and in which order and under which heading all of them are listed. A flag that is
// missing here is listed at the end.
var pages = map[string][]task{
	"iotupd": {
		{"Flags", "version help help-all", ""},
	},
	"send": {
		{"Sending", "rate loops dry-run", "name start priority"},
		{"Network", "interface channel hop-limit", "group port ipv4 ipv6 wait dscp"},
		{"Signed and encrypted transfers", "manifest group-key", ""},
		{"Forward error correction", "parity profile", "for-memory shard-size digest"},
		{"Several senders, and receivers with different bandwidth", "", "sender layers when-listened"},
		{"Several files", "", "files-from set share weight"},
		{"Directories", "", "preserve"},
		{"How receivers find the sender", "", "source-specific print-dns"},
		{"Preparing the file", "", "memory cache"},
		{"Output", "quiet verbose json", "progress stats"},
		{"Help", "help help-all", ""},
	},
	"recv": {
		{"Target", "output dir exec", "ready check exec-timeout exec-attempts confirm confirm-timeout installed-sequence installed-object dry-run reuse"},
		{"When to stop", "timeout stall follow", ""},
		{"Directories", "", "replace link preserve max-entries"},
		{"Which file", "", "name component object sha256 max-size"},
		{"Several files", "", "all max-objects max-total"},
		{"Signed and encrypted transfers", "trust group-key", "target min-sequence allow-downgrade state signature-rate"},
		{"Network", "interface channel", "group port ipv4 ipv6 wait receive-buffer"},
		{"Finding the sender", "", "source resolver failover"},
		{"Senders with several layers", "", "layers max-rate"},
		{"Memory", "", "memory leaf-memory"},
		{"Measuring and testing", "", "record drop seed"},
		{"Output", "quiet verbose json", "progress stats"},
		{"Help", "help help-all", ""},
	},
	"sign": {
		{"Signing", "secret password-file output add", "set files-from"},
		{"Manifest", "sequence version expires target channel", "component name notes metadata created"},
		{"Forward error correction", "parity profile", "for-memory shard-size digest"},
		{"Directories", "", "preserve"},
		{"Preparing the file", "", "memory cache"},
		{"Output", "quiet json", "verbose progress stats"},
		{"Help", "help help-all", ""},
	},
	"keygen": {
		{"Keys", "secret public password password-file group", ""},
		{"Output", "quiet", ""},
		{"Help", "help help-all", ""},
	},
	"inspect": {
		{"Keys", "trust group-key", ""},
		{"What to show", "files", ""},
		{"Network", "for interface channel ipv4 ipv6 source", "group port"},
		{"Output", "quiet verbose json", "progress stats"},
		{"Help", "help help-all", ""},
	},
	"bench": {
		{"What to measure", "experiment mode scheme loss sweep", "forge with-bytes loopback"},
		{"File, senders and receivers", "size receivers trials seed", "rate shard-size senders starts join"},
		{"Experiment layers", "", "layers bottleneck sharing queue time"},
		{"Experiment set", "", "objects share"},
		{"Output", "require format out quiet", "progress"},
		{"Help", "help help-all", ""},
	},
	"install": {
		{"Installing", "exec", "exec-timeout exec-attempts confirm confirm-timeout installed-sequence installed-object"},
		{"Signed transfers", "trust target component channel state", "min-sequence allow-downgrade"},
		{"Output", "quiet verbose json", "progress stats"},
		{"Help", "help help-all", ""},
	},
	"status":    {{"Flags", "state channel component dir json help help-all", ""}},
	"installed": {{"Flags", "state channel component quiet help help-all", ""}},
	"confirm":   {{"Flags", "state channel component quiet help help-all", ""}},
	"retry":     {{"Flags", "state channel component quiet help help-all", ""}},

	"fit":     {{"Flags", "help help-all", ""}},
	"compare": {{"Flags", "help help-all", ""}},
	"version": {{"Flags", "json help help-all", ""}},
	"man":     {{"Flags", "help help-all", ""}},
}

// A Section is a heading of a help with its flags.
type Section struct {
	Heading string
	Flags   []*pflag.Flag
}

// OtherFlags is the heading of flags that have no other.
const OtherFlags = "Other flags"

// Sections returns the flags of a command by heading: the flags of the first
// page, or all. A name that the command does not have is a mistake of this
// program.
func Sections(cmd *cobra.Command, all bool) (sections []Section) {
	tasks := pages[cmd.Name()]
	listed := make(map[string]bool)
	for _, t := range tasks {
		names := strings.Fields(t.first)
		if all {
			names = append(names, strings.Fields(t.more)...)
		}
		s := Section{Heading: t.heading}
		for _, name := range names {
			f := cmd.Flags().Lookup(name)
			if f == nil {
				panic("iotupd: internal error: " + cmd.Name() + " has no flag " + name)
			}
			s.Flags = append(s.Flags, f)
			listed[name] = true
		}
		if len(s.Flags) > 0 {
			sections = append(sections, s)
		}
	}
	if !all && tasks != nil {
		return sections
	}
	others := Section{Heading: OtherFlags}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !listed[f.Name] {
			others.Flags = append(others.Flags, f)
		}
	})
	if len(others.Flags) > 0 {
		sections = append(sections, others)
	}
	return sections
}

// hasMore reports whether --help-all of a command has more than the first page.
func hasMore(cmd *cobra.Command) bool {
	more := slices.ContainsFunc(pages[cmd.Name()], func(t task) bool { return t.more != "" })
	return more || cmd.Annotations[DetailsKey] != ""
}

// AddHelp gives a command, and all below it, the flags --help and --help-all.
func AddHelp(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false // errors name flags in the order of declaration, too
	flags.BoolP("help", "h", false, "print the most important flags")
	all := flags.VarPF(&helpAll{flags: flags}, helpAllName, "", "print all flags, and more details")
	all.NoOptDefVal = "true"
	for _, c := range cmd.Commands() {
		AddHelp(c)
	}
}

const helpAllName = "help-all"

// helpAll is the value of --help-all: it asks for --help, which then has everything.
type helpAll struct {
	flags *pflag.FlagSet
	on    bool
}

func (h *helpAll) Set(s string) error {
	if err := h.flags.Set("help", s); err != nil {
		return err
	}
	h.on = h.flags.Lookup("help").Value.String() == "true"
	return nil
}

func (h *helpAll) String() string {
	if h.on {
		return "true"
	}
	return "false"
}

// Type names the kind of value; as for a flag that takes none.
func (h *helpAll) Type() string { return "bool" }

// wantsAll reports whether --help-all was given.
func wantsAll(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup(helpAllName)
	return f != nil && f.Value.String() == "true"
}
