// SPDX-License-Identifier: GPL-2.0-or-later

package installing

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/printable"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
)

const statusHelp = `Show what has become of the releases that recv has received: what is installed,
activated, pending, or given up and why, and partial files beside them. It reads
the state directory; no recv has to run. The partial file of a first transfer
that has not finished is beside no release: --dir shows it.`

// A statusEvent is what is known about a channel and a trust root.
type statusEvent struct {
	Channel   string   `json:"channel"`
	Component string   `json:"component,omitempty"`
	Keys      []string `json:"trusted_keys,omitempty"` // ids of the keys that have signed; empty: it is not signed

	State    string   `json:"state"`
	Object   string   `json:"object,omitempty"` // of the release that state is about
	Name     string   `json:"name,omitempty"`
	Version  string   `json:"version,omitempty"`
	Sequence uint64   `json:"sequence,omitempty"`
	Bytes    uint64   `json:"bytes,omitempty"`
	SHA256   string   `json:"sha256,omitempty"`
	Path     cli.Path `json:"path,omitempty"`

	Attempts int     `json:"attempts"`
	CutOff   int     `json:"attempts_cut_off"`
	Why      string  `json:"why,omitempty"`
	Seconds  float64 `json:"seconds_in_state,omitempty"` // of uptime, if that began in this boot

	InstalledSequence uint64 `json:"installed_sequence,omitempty"` // the last release that is known to be installed
	InstalledObject   string `json:"installed_object,omitempty"`

	Partial []partialFile `json:"partial_files"`
}

// Events returns the events of these commands, by type.
func Events() map[string]any {
	return map[string]any{"installation": statusEvent{}, "unfinished": partialFile{}}
}

// A partialFile is beside the file of a release, or in a directory where none is recorded.
type partialFile struct {
	Path  cli.Path `json:"partial_path"`
	Bytes int64    `json:"partial_bytes"`
}

type statusOptions struct {
	placeOptions
	dir  string
	json bool
}

// NewStatusCommand returns the command.
func NewStatusCommand() *cobra.Command {
	var opts statusOptions
	cmd := &cobra.Command{
		Use:                   "status [flags]",
		Short:                 "show what is installed, pending or given up",
		Long:                  statusHelp,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp},
		DisableFlagsInUseLine: true,
		Args:                  cli.NoArguments,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.find(cmd.Flags()); err != nil {
				return err
			}
			if !cmd.Flags().Changed("channel") && os.Getenv(channelVariable) == "" {
				opts.channel = ""
			}
			return opts.run(cmd.Context(), cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	cmd.Flags().Lookup("channel").DefValue = ""
	cmd.Flags().Lookup("channel").Usage = "only the channel with this `name` (default all)"
	cmd.Flags().Lookup("component").Usage = "only the component with this `name`; - is for releases that name none (default all)"
	cmd.Flags().StringVarP(&opts.dir, "dir", "d", "", "show partial files in this `directory` too: of --dir of recv, or of the file of --output")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print an event for each release and each other partial file as a JSON line")
	cmd.MarkFlagDirname("state")
	cmd.MarkFlagDirname("dir")
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"channel": cobra.NoFileCompletions, "component": cobra.NoFileCompletions})
	return cmd
}

func (o *statusOptions) run(ctx context.Context, std cli.Stdio) (err error) {
	out := cli.NewOutput(ctx, cli.OutputOptions{JSON: o.json, Progress: "none", WaitForReader: true}, std, std.Out)
	defer func() { err = out.Close(err) }()
	all, err := installed.ReadAll(o.state)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(r *installed.Record) bool { return o.channel != "" && r.Channel != o.channel || !o.means(r) })
	var shown []partialFile
	for _, r := range merge(all) {
		e := newStatusEvent(r)
		shown = append(shown, e.Partial...)
		out.Event("installation", e)
		if !o.json {
			out.Result(e.text())
		}
	}
	if len(all) == 0 && !o.json {
		out.Result("nothing is recorded in " + o.state + "\n")
	}
	if o.dir == "" {
		return nil
	}
	others, err := partialFilesIn(o.dir)
	if err != nil {
		return cli.LocalError(o.dir, err)
	}
	for _, p := range others {
		if slices.Contains(shown, p) {
			continue
		}
		out.Event("unfinished", p)
		if !o.json {
			out.Result(p.text())
		}
	}
	return nil
}

// A merged record replaces the records of several keys.
type merged struct {
	*installed.Record
	keys []string
}

// merge joins the records of one release of a channel that several keys have signed.
func merge(all []*installed.Record) (releases []*merged) {
	for _, r := range all {
		i := slices.IndexFunc(releases, func(m *merged) bool {
			return r.Root != installed.Unsigned && m.Channel == r.Channel && m.Component == r.Component && r.Manifest != nil && m.Is(r.Manifest) && m.Progress == r.Progress
		})
		if i < 0 {
			i = len(releases)
			releases = append(releases, &merged{Record: r})
		}
		if r.Root != installed.Unsigned {
			releases[i].keys = append(releases[i].keys, r.Root)
		}
	}
	return releases
}

func newStatusEvent(r *merged) statusEvent {
	e := statusEvent{
		Channel: r.Channel, Component: printable.Text(componentOf(r.Record)), Keys: r.keys, State: r.State.String(), Path: cli.Path(r.Path),
		Attempts: r.Attempts, CutOff: r.Cut, Why: r.Why, Partial: partialFiles(r.Path),
	}
	if m := r.Manifest; m != nil {
		d := m.Descriptor
		e.Object, e.Name, e.Version = d.Object().String(), m.Name, m.Version
		e.Bytes, e.SHA256 = d.Size, hex.EncodeToString(d.SHA256[:])
		if len(r.keys) > 0 {
			e.Sequence = m.Sequence
		}
	}
	if now := installed.Now(); r.At.Boot != "" && r.At.Boot == now.Boot {
		e.Seconds = (now.Uptime - r.At.Uptime).Seconds()
	}
	if last := r.Last(); last.Known() {
		e.InstalledSequence = last.Sequence
		if last.Object != (proto.ObjectID{}) {
			e.InstalledObject = last.Object.String()
		}
	}
	return e
}

// componentOf is the component of the release that r is about, for those that are not signed
// too.
func componentOf(r *installed.Record) string {
	if r.Component == "" && r.Manifest != nil {
		return r.Manifest.Component
	}
	return r.Component
}

// partialFiles finds those in the directory of a file.
func partialFiles(path string) []partialFile {
	all := []partialFile{}
	if path == "" {
		return all
	}
	found, _ := partialFilesIn(filepath.Dir(path)) // it may have been deleted
	return append(all, found...)
}

// partialFilesIn finds those in a directory.
func partialFilesIn(dir string) (all []partialFile, err error) {
	if dir, err = filepath.Abs(dir); err != nil { // as the paths of records are
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Type().IsRegular() && strings.HasSuffix(e.Name(), filestore.PartSuffix) {
			all = append(all, partialFile{cli.Path(filepath.Join(dir, e.Name())), info.Size()})
		}
	}
	return all, err
}

// text is p for a person.
func (p partialFile) text() string {
	return fmt.Sprintf("  %-10s %s  %v\n", "partial", printable.Text(string(p.Path)), quantity.Size(p.Bytes))
}

// releaseText names a release for a person.
func releaseText(m *proto.Manifest) string {
	text := "object " + m.Descriptor.Object().Short() + "..."
	for _, more := range []string{m.Name, m.Version} {
		if more != "" {
			text += " " + printable.Text(more)
		}
	}
	return text
}

// text is e for a person.
func (e statusEvent) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	whose := "not signed"
	if len(e.Keys) > 0 {
		whose = "signed by " + strings.Join(e.Keys, ", ")
	}
	fmt.Fprintf(&b, "channel %s   %s\n", printable.Text(e.Channel), whose)
	if e.Component != "" {
		line("component", "%s", e.Component)
	}
	if e.Object != "" {
		line("release", "%s", strings.TrimSpace(fmt.Sprintf("%s  %s  %v  object %s", e.Name, e.Version, quantity.Size(e.Bytes), e.Object)))
	}
	if e.Sequence > 0 {
		line("sequence", "%d", e.Sequence)
	}
	line("state", "%s", e.stateText())
	if e.Why != "" {
		line("reason", "%s", printable.Text(e.Why))
	}
	if e.Path != "" {
		line("file", "%s", printable.Text(string(e.Path)))
	}
	if e.InstalledSequence > 0 && e.InstalledSequence != e.Sequence {
		line("installed", "sequence %d", e.InstalledSequence)
	} else if e.InstalledObject != "" && e.InstalledObject != e.Object {
		line("installed", "object %s", e.InstalledObject)
	}
	for _, p := range e.Partial {
		b.WriteString(p.text())
	}
	return b.String()
}

func (e statusEvent) stateText() string {
	text := e.State
	if s, _ := state.Parse(e.State); s == state.Activated {
		text += ", to be confirmed"
	}
	if e.Attempts > 0 {
		text += fmt.Sprintf(", %d attempts, %d cut off", e.Attempts, e.CutOff)
	}
	if e.Seconds > 0 {
		text += ", since " + quantity.Duration(time.Duration(e.Seconds*float64(time.Second)))
	}
	return text
}
