// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
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
}

// shares are the values of --share.
var (
	shares     = map[string]sender.Share{"sqrt": sender.ShareSqrt, "size": sender.ShareSize, "shortest": sender.ShareShortest}
	shareNames = []string{"sqrt", "size", "shortest"}
)

func (o *setOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.share, "share", "sqrt", "how several files share the rate: sqrt is best if receivers join at random for one file each, size if every receiver wants all files, shortest if all receivers are there at the start")
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

// refuseAlone refuses flags that have no effect on a single file.
func (o *setOptions) refuseAlone(flags *pflag.FlagSet) error {
	for _, name := range []string{"share", "weight"} {
		if cli.OnCommandLine(flags.Lookup(name)) {
			return cli.UsageError("--%s is for several files, and there is one", name)
		}
	}
	return nil
}

// takeManifests reads the manifests that lie beside the files of a set, and sets from
// them the channel.
func (o *sendOptions) takeManifests(flags *pflag.FlagSet, paths []string) error {
	switch {
	case len(paths) > sender.MaxObjects:
		return cli.UsageError("%d files: at most %d can be sent together", len(paths), sender.MaxObjects)
	case o.from != "":
		return cli.UsageError("--manifest is for one file; of several, manifests are found beside them, as in %s%s", paths[0], manifestfile.Suffix)
	case flags.Changed("name"):
		return cli.UsageError("--name is for one file; of several, receivers see the own names")
	}
	for _, path := range paths {
		f := agent.File{Path: path}
		if _, err := os.Stat(path + manifestfile.Suffix); err == nil {
			if f.Manifest, err = manifestfile.Read(path + manifestfile.Suffix); err != nil {
				return err
			}
		}
		o.files = append(o.files, f)
	}
	return o.checkSet(flags)
}

// checkSet refuses files with the same name, or on different channels, and takes the
// channel of manifests over.
func (o *sendOptions) checkSet(flags *pflag.FlagSet) error {
	names := make(map[string]string)
	var signed []*agent.File
	for i := range o.files {
		f := &o.files[i]
		name := nameOf(f)
		if m := f.Manifest; m != nil {
			if c := flags.Lookup("channel"); cli.OnCommandLine(c) && c.Value.String() != m.Channel {
				return cli.UsageError("--channel %s: %s is signed for the channel %q", c.Value, f.Path, m.Channel)
			} else if err := c.Value.Set(m.Channel); err != nil {
				return cli.UsageError("%s%s: %w", f.Path, manifestfile.Suffix, err)
			}
			for _, other := range signed {
				if m.Component == other.Manifest.Component && !disjoint(other.Manifest, m) {
					return sameComponentError(other, f)
				}
			}
			signed = append(signed, f)
		}
		if other, ok := names[name]; ok {
			return cli.UsageError("%s and %s have the same name: receivers could not choose by it", other, f.Path)
		}
		names[name] = f.Path
	}
	weights, err := o.set.popularity()
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		if _, ok := names[name]; !ok && err == nil {
			err = cli.UsageError("--weight %s: no file has this name", name)
		}
	}
	return err
}

// sameComponentError says that receivers could not keep two signed files apart, and what to
// do.
func sameComponentError(a, b *agent.File) error {
	return cli.UsageError("%s and %s are releases of %s for the same hardware: receivers take the one with the higher sequence; "+
		"sign each with its own --component or --target, and on a new --channel as long as earlier versions receive on this one: "+
		"they know no components, and without --target take any release", a.Path, b.Path, describe.Component(a.Manifest.Component))
}

// nameOf returns the name that receivers see of a file of a set.
func nameOf(f *agent.File) string {
	if f.Manifest != nil {
		return f.Manifest.Name
	}
	return filepath.Base(f.Path)
}

// disjoint reports whether no hardware takes both.
func disjoint(a, b *proto.Manifest) bool {
	return len(a.Targets) > 0 && len(b.Targets) > 0 && !slices.ContainsFunc(a.Targets, func(t string) bool { return slices.Contains(b.Targets, t) })
}

// setFiles gives the configuration the files of a set.
func (o *sendOptions) setFiles(cfg *agent.Config) error {
	weights, err := o.set.popularity()
	if err != nil {
		return err
	}
	for i := range o.files {
		f := &o.files[i]
		f.Weight = weights[nameOf(f)]
		if f.Encoding, err = o.Policy(sizeOf(f.Path)); err != nil {
			return err
		}
	}
	first := o.files[0]
	cfg.File, cfg.Manifest, cfg.Encoding, cfg.Weight = first.Path, first.Manifest, first.Encoding, first.Weight
	cfg.More, cfg.Share = o.files[1:], shares[o.set.share]
	return nil
}

// dropped warns that a file is not sent any more.
func (v *sendView) dropped(e agent.Dropped) {
	v.out.Warn(cli.Warning{
		Code: reason.FileDropped,
		Text: fmt.Sprintf("%s is not sent any more, %d other files are: %v", e.Manifest.Name, e.Left, e.Err),
		Fix:  "iotupd send FILE...   # again, when the file does not change any more",
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
	for i, o := range p.Objects {
		all = append(all, objectProgressEvent{manifests[i].Name, o.Loop, o.Fraction, o.Packets, o.Dropped})
	}
	return all
}
