// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/proto/manifestfile"
	"iotupd/sender"
	"iotupd/sender/agent"
)

// setOptions are the flags for several files.
type setOptions struct {
	share   string
	weights []string
	path    string // of manifests that were signed together
}

// shares are the values of --share.
var (
	shares     = map[string]sender.Share{"sqrt": sender.ShareSqrt, "size": sender.ShareSize, "shortest": sender.ShareShortest}
	shareNames = []string{"sqrt", "size", "shortest"}
)

func (o *setOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.share, "share", "sqrt", "how several files share the rate: sqrt is best of all ways to alternate if receivers join at random for one file each, size if every receiver wants all files, shortest, one file after the other, if all receivers are there at the start, or losses are small and all files have one size")
	flags.StringVar(&o.path, "set", "", "`file` that iotupd sign --set made of all FILEs: receivers trust them by its signature (default none)")
	flags.StringArrayVar(&o.weights, "weight", nil, "`name=number`, repeatable: how popular a file is compared with the others (default 1)")
}

func (o *setOptions) validate() error {
	if _, ok := shares[o.share]; !ok {
		return cli.UsageError("--share %q: want %s", o.share, cli.Choice(shareNames))
	}
	_, err := o.popularity()
	return err
}

// popularity returns the weights by the names of files.
func (o *setOptions) popularity() (map[string]float64, error) {
	all := make(map[string]float64)
	for _, w := range o.weights {
		name, number, ok := strings.Cut(w, "=")
		n, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || !(n > 0 && n <= 1e6) {
			return nil, cli.UsageError("--weight %q: want NAME=NUMBER, such as fw.bin=3, with a number up to 1000000", w)
		}
		all[name] = n
	}
	return all, nil
}

// isSet reports whether several files are to be sent, or perhaps one, as several are.
func (o *setOptions) isSet(args []string, list encode.Files) bool {
	return len(args) > 1 || list.List != "" || o.path != ""
}

// refuseAlone refuses flags that have no effect on a single file.
func (o *setOptions) refuseAlone(flags *pflag.FlagSet) error {
	for _, name := range []string{"share", "weight"} {
		if cli.OnCommandLine(flags.Lookup(name)) {
			return cli.UsageError("--%s is for several files, and there is one", name)
		}
	}
	return nil
}

// takeManifests reads the manifests of the files of a set, which lie beside them or are in
// --set, and sets from them the channel.
func (o *sendOptions) takeManifests(flags *pflag.FlagSet, paths []string) error {
	switch {
	case o.from != "":
		return cli.UsageError("--manifest is for one file; of several, manifests are found beside them, as in %s%s", paths[0], manifestfile.Suffix)
	case flags.Changed("name"):
		return cli.UsageError("--name is for one file; of several, receivers see the own names")
	case o.Cache != "" && len(paths) > sender.MaxUnlisted:
		return cli.UsageError("--cache is for %d files at most, and there are %d", sender.MaxUnlisted, len(paths))
	}
	if o.set.path != "" {
		if err := o.takeSet(flags); err != nil {
			return err
		}
	}
	for _, path := range paths {
		f := agent.File{Path: path}
		beside := encode.Beside(path)
		if _, err := os.Stat(beside); err == nil && o.set.path == "" {
			if f.Manifest, err = manifestfile.Read(beside); err != nil {
				return err
			}
		}
		o.files = append(o.files, f)
	}
	return cmp.Or(o.checkSigned(flags), o.checkNames())
}

// ofSet are the flags that --set decides.
var ofSet = []string{"parity", "profile", "for-memory", "shard-size", "digest"}

// takeSet reads the manifests of --set.
func (o *sendOptions) takeSet(flags *pflag.FlagSet) error {
	content, m, err := manifestfile.ReadSet(o.set.path)
	if err != nil {
		return err
	}
	if m.Catalogue == 0 {
		return cli.UsageError("--set: %s%s is the manifest of one file; iotupd sign --set makes one of several", o.set.path, manifestfile.Suffix)
	}
	if name := cli.FirstGiven(flags, ofSet); name != "" {
		return cli.UsageError("--%s: %s says how the files are encoded; leave the flag out", name, o.set.path)
	}
	if err := o.takeChannel(flags, o.set.path, m); err != nil {
		return err
	}
	o.ShardSize = m.Descriptor.ShardSize
	if m.Descriptor.Root == (proto.Digest{}) {
		o.Digest = "off"
	}
	o.cfg.Catalogue = &agent.Catalogue{Path: o.set.path, Content: content, Manifest: m}
	return nil
}

// takeChannel takes the channel of a manifest over.
func (o *sendOptions) takeChannel(flags *pflag.FlagSet, path string, m *proto.Manifest) error {
	if c := flags.Lookup("channel"); cli.OnCommandLine(c) && c.Value.String() != m.Channel {
		return cli.UsageError("--channel %s: %s is signed for the channel %q", c.Value, path, m.Channel)
	} else if err := c.Value.Set(m.Channel); err != nil {
		return cli.UsageError("%s%s: %w", path, manifestfile.Suffix, err)
	}
	return nil
}

// checkSigned refuses files that are signed for different channels, or of which one takes
// the place of another one.
func (o *sendOptions) checkSigned(flags *pflag.FlagSet) error {
	products := make(map[string]*product)
	for i := range o.files {
		f := &o.files[i]
		if f.Manifest == nil {
			continue
		}
		if err := o.takeChannel(flags, f.Path, f.Manifest); err != nil {
			return err
		}
		p := products[f.Manifest.Component]
		if p == nil {
			p = &product{byTarget: make(map[string]*agent.File)}
			products[f.Manifest.Component] = p
		}
		if other := p.add(f); other != nil {
			return sameComponentError(other, f)
		}
	}
	return nil
}

// sameComponentError says that receivers could not keep two signed files apart, and what to
// do.
func sameComponentError(a, b *agent.File) error {
	return cli.UsageError("%s and %s are releases of %s for the same hardware: receivers take the one with the higher sequence; "+
		"sign each with its own --component or --target, and on a new --channel as long as earlier versions receive on this one: "+
		"they know no components, and without --target take any release", a.Path, b.Path, describe.Component(a.Manifest.Component))
}

// A product has releases of which a receiver takes the newest one for its hardware.
type product struct {
	any      *agent.File // for any hardware; nil: none
	last     *agent.File
	byTarget map[string]*agent.File
}

// add adds a release, and returns another one for the same hardware; nil if there is none.
func (p *product) add(f *agent.File) (other *agent.File) {
	if other = p.any; other == nil && len(f.Manifest.Targets) == 0 {
		p.any, other = f, p.last
	}
	for _, t := range f.Manifest.Targets {
		if same := p.byTarget[t]; other == nil && same != f {
			other = same
		}
		p.byTarget[t] = f
	}
	p.last = f
	return other
}

// checkNames finds files with the same name, and refuses weights of names that no file has.
func (o *sendOptions) checkNames() error {
	names := make(map[string]string, len(o.files))
	more := 0
	for i := range o.files {
		f := &o.files[i]
		other, ok := names[nameOf(f)]
		switch names[nameOf(f)] = f.Path; {
		case ok && o.sameName == "":
			o.sameName = fmt.Sprintf("%s and %s have the same name", other, f.Path)
		case ok:
			more++
		}
	}
	if more > 0 {
		o.sameName += fmt.Sprintf(", and %d more files that of another one", more)
	}
	weights, err := o.set.popularity()
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		if _, ok := names[name]; !ok && err == nil {
			err = cli.UsageError("--weight %s: no file has this name", name)
		}
	}
	return err
}

// warnSameName warns of files that receivers cannot distinguish by their names.
func (o *sendOptions) warnSameName(out *cli.Output) {
	if o.sameName != "" {
		out.Warn(cli.Warning{
			Code: reason.SameName,
			Text: o.sameName + ": recv --name takes any of them, and recv --all none",
			Fix:  "iotupd sign --name NAME FILE   # gives a file another name",
		})
	}
}

// perFile is the memory in bytes that each of very many files takes, beside its parity and
// digests.
const perFile = 6 << 10

// limitHeap has garbage collected early enough that very many files take little more memory
// than --memory allows. Otherwise the heap of the runtime grows to twice that.
func (o *sendOptions) limitHeap(files int) (undo func()) {
	if files <= fewFiles {
		return func() {}
	}
	limit := int64(o.Memory)*3/2 + 64<<20 + int64(files)*perFile
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(before, limit))
	return func() { debug.SetMemoryLimit(before) }
}

// nameOf returns the name that receivers see of a file of a set, or of a directory.
func nameOf(f *agent.File) string {
	if f.Manifest != nil {
		return displayName(f.Manifest)
	}
	return filepath.Base(encode.Named(f.Path))
}

// displayName returns the name of a file, or of a directory, in a manifest.
func displayName(m *proto.Manifest) string {
	if m.IsArchive() {
		return m.DirectoryName()
	}
	return m.Name
}

// setFiles gives the configuration the files of a set.
func (o *sendOptions) setFiles(cfg *agent.Config) error {
	weights, err := o.set.popularity()
	if err != nil {
		return err
	}
	for i := range o.files {
		f := &o.files[i]
		f.Weight, f.Directory = weights[nameOf(f)], o.scanned[f.Path]
		if f.Encoding, err = o.Policy(o.sizeOf(f.Path)); err != nil {
			return err
		}
	}
	first := o.files[0]
	cfg.File, cfg.Directory, cfg.Manifest, cfg.Encoding, cfg.Weight = first.Path, first.Directory, first.Manifest, first.Encoding, first.Weight
	cfg.More, cfg.Share = o.files[1:], shares[o.set.share]
	return nil
}

// fewFiles is how many files are shown one by one.
const fewFiles = sender.MaxUnlisted

// dropped warns that a file is not sent any more. Of very many, it warns of the first ones.
func (v *sendView) dropped(e agent.Dropped) {
	if v.lost++; v.lost > fewFiles {
		v.left = e.Left
		return
	}
	v.out.Warn(cli.Warning{
		Code: reason.FileDropped,
		Text: fmt.Sprintf("%s is not sent any more, %d other files are: %v", displayName(e.Manifest), e.Left, e.Err),
		Fix:  "iotupd send FILE...   # again, when the file does not change any more",
	})
}

// warnOfMoreDropped warns of the files of which dropped has not warned.
func (v *sendView) warnOfMoreDropped() {
	if v.lost <= max(fewFiles, v.lostSaid) {
		return
	}
	v.lostSaid = v.lost
	v.out.Warn(cli.Warning{
		Code: reason.FileDropped,
		Text: fmt.Sprintf("%d files are not sent any more, %d other files are", v.lost, v.left),
		Fix:  "iotupd send FILE...   # again, when the files do not change any more",
	})
}

// An objectProgressEvent is the progress of one of several files.
type objectProgressEvent struct {
	Name     string  `json:"name"`
	Loop     int     `json:"loop"`
	Fraction float64 `json:"fraction"`
	Packets  uint64  `json:"packets"`
	Dropped  bool    `json:"dropped"`
}

// byFile is the progress of each of several files.
func (v *sendView) byFile(p sender.Progress) (all []objectProgressEvent) {
	manifests := v.agent.Manifests()
	for i, o := range p.Objects { // nil if there are very many
		all = append(all, objectProgressEvent{manifests[i].Name, o.Loop, o.Fraction, o.Packets, o.Dropped})
	}
	return all
}
