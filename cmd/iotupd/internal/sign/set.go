// SPDX-License-Identifier: GPL-2.0-or-later

package sign

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/internal/durable"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/proto/manifestfile"
	"iotupd/sender/filesource"
)

// signFiles checks the flags of --set, and signs.
func (o *signOptions) signFiles(cmd *cobra.Command, args []string, std cli.Stdio) error {
	switch {
	case o.add != "":
		return cli.UsageError("--set and --add exclude each other; --add NAME.set%s adds a signature to a set", manifestfile.Suffix)
	case o.output == "":
		return cli.UsageError("--set: say by --output where to write the set, such as -o release.set")
	case cli.OnCommandLine(cmd.Flags().Lookup("name")):
		return cli.UsageError("--name is for one file; a set has no name, and receivers see the own names of its files")
	case len(args) == 0 && o.files.List == "":
		return cli.UsageError("--set: want the FILEs of the set; see %s --help", cmd.CommandPath())
	}
	paths, err := o.files.Paths(args, o.output, o.output+manifestfile.Suffix)
	if err != nil {
		return err
	}
	return runSignSet(cmd.Context(), *o, paths, std)
}

// runSignSet signs several files as one release.
func runSignSet(ctx context.Context, opts signOptions, paths []string, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	s := &set{opts: opts, out: out, paths: paths}
	if err := s.describe(); err != nil {
		return err
	}
	m, err := s.manifest(time.Now())
	if err != nil {
		return err
	}
	target := opts.output + manifestfile.Suffix
	if err := cmp.Or(mayReplaceSet(opts.output), mayReplace(target)); err != nil {
		return err
	}
	key, err := opts.key(ctx, std.Err)
	if err != nil {
		return err
	}
	out.WarnExposed(opts.secret)
	if err := s.prepare(ctx, m); err != nil {
		s.preparation.Interrupted(out, err, "nothing was signed")
		return err
	}
	m.Signatures = []proto.Signature{key.Sign(m)}
	if err := durable.ReplaceFile(opts.output, s.content, 0o644); err != nil {
		return cli.LocalError(opts.output, err)
	}
	if err := manifestfile.Write(target, m); err != nil {
		return err
	}
	e := describe.NewManifestEvent(m, nil, time.Now())
	e.Path = cli.Path(target)
	out.Final("signed", e, "%s  set of %d files, %v  object %s...  sequence %d  %s", target, m.Catalogue, quantity.Size(s.total), m.Descriptor.Object().Short(), m.Sequence, describe.SignedBy(m))
	return nil
}

// A set is several files that are signed together.
type set struct {
	opts  signOptions
	out   *cli.Output
	paths []string

	manifests   []*proto.Manifest // of the files
	sizes       []int64
	total       int64  // of them
	content     []byte // of the catalogue
	preparation encode.Preparation
}

// describe finds the manifests of the files, as far as that is possible without reading the files.
func (s *set) describe() error {
	for _, path := range s.paths {
		info, err := os.Stat(path)
		if err != nil {
			return cli.LocalError(path, err)
		}
		if info.IsDir() {
			return cli.UsageError("%s is a directory, which a set cannot have; sign it by itself", path)
		}
		m, err := s.beside(path, info.Size())
		if err == nil && m == nil {
			m, err = s.unsigned(path, info.Size())
		}
		if err != nil {
			return err
		}
		if d := m.Descriptor; d.ShardSize != s.opts.ShardSize {
			return cli.UsageError("%s is signed with shards of %d bytes, and the set has %d; say --shard-size %d if all files have that", path, d.ShardSize, s.opts.ShardSize, d.ShardSize)
		} else if err := s.opts.CheckGeometry(d.Params); err != nil && d.Root != (proto.Digest{}) {
			return err
		}
		s.manifests = append(s.manifests, m)
		s.sizes = append(s.sizes, info.Size())
		s.total += info.Size()
	}
	return nil
}

// beside returns the signed manifest that lies beside a file; nil if there is none.
func (s *set) beside(path string, size int64) (*proto.Manifest, error) {
	from := path + manifestfile.Suffix
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	m, err := manifestfile.Read(from)
	switch {
	case err != nil:
		return nil, err
	case m.Catalogue > 0:
		return nil, cli.UsageError("%s is a set, which cannot be in another one", path)
	case m.Channel != s.opts.channel:
		return nil, cli.UsageError("%s is signed for the channel %q, and the set is for %q", path, m.Channel, s.opts.channel)
	case m.Descriptor.Size != uint64(size):
		return nil, cli.UsageError("%s has %d bytes, but the file that %s describes has %d", path, size, from, m.Descriptor.Size)
	}
	return m, nil
}

// unsigned returns the manifest of a file beside which there is not a signed one.
func (s *set) unsigned(path string, size int64) (m *proto.Manifest, err error) {
	m = &proto.Manifest{Name: filepath.Base(path)}
	if err := proto.CheckName(m.Name); err != nil {
		return nil, cli.UsageError("%s: %w; sign the file by itself, with another --name", path, err)
	}
	if m.Descriptor.Params, err = s.opts.Params(size); err != nil {
		return nil, err
	}
	if _, err := m.AppendPayload(nil); err != nil {
		return nil, manifestError(err)
	}
	return m, nil
}

// aCatalogue is the file that is signed.
type aCatalogue struct{ size int64 }

func (aCatalogue) Path() string  { return "set" }
func (c aCatalogue) Size() int64 { return c.size }

// manifest returns the manifest of the set, as far as it is known.
func (s *set) manifest(now time.Time) (*proto.Manifest, error) {
	size := proto.CatalogueLen(s.manifests)
	if size > proto.MaxCatalogueBytes {
		return nil, cli.UsageError("the manifests of %d files have %d bytes, and a set has at most %d", len(s.manifests), size, proto.MaxCatalogueBytes)
	}
	m, err := s.opts.manifest(aCatalogue{int64(size)}, now)
	if err != nil {
		return nil, err
	}
	m.Name, m.Catalogue = "", uint32(len(s.manifests))
	full := *m
	full.Signatures = make([]proto.Signature, 1)
	if _, err := full.AppendPayload(nil); err != nil {
		return nil, manifestError(err)
	}
	return m, s.opts.CheckGeometry(m.Descriptor.Params)
}

// prepare encodes the files, and then the catalogue that m is the manifest of.
func (s *set) prepare(ctx context.Context, m *proto.Manifest) error {
	work := filesource.NewMeter(s.sizes, func(fraction float64) { s.preparation.Show(s.out, time.Now(), fraction) })
	var showing sync.Mutex
	err := filesource.PrepareEach(ctx, s.sizes, func(ctx context.Context, i int) error {
		cfg := s.opts.Options.Prepare()
		cfg.Progress = work.Of(s.sizes[i])
		cfg.Cached = func(u filesource.CacheUse) {
			showing.Lock()
			defer showing.Unlock()
			encode.ShowCached(s.out, u)
		}
		return s.prepareFile(ctx, s.paths[i], s.manifests[i], cfg)
	})
	if err != nil {
		return err
	}
	objects := make([]proto.ObjectID, len(s.paths))
	for i, m := range s.manifests {
		objects[i] = m.Descriptor.Object()
	}
	if err := filesource.FindDuplicates(s.paths, objects); err != nil {
		return cli.UsageError("%w", err)
	}
	if s.content, err = proto.AppendCatalogue(nil, s.manifests); err != nil {
		return cli.UsageError("%s", strings.TrimPrefix(err.Error(), "proto: "))
	}
	cfg := s.opts.Options.Prepare()
	cfg.Cache = ""
	o, err := filesource.PrepareBytes(ctx, s.content, m.Descriptor.Params, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	m.Descriptor = o.Manifest.Descriptor
	return nil
}

// prepareFile encodes a file, and completes its manifest unless that is signed.
func (s *set) prepareFile(ctx context.Context, path string, m *proto.Manifest, cfg filesource.Config) error {
	src, err := filesource.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	signed := len(m.Signatures) > 0
	cfg.WithoutDigests = cfg.WithoutDigests || signed && m.Descriptor.Root == proto.Digest{}
	if cfg.WithoutDigests {
		cfg.Cache = ""
	}
	o, err := filesource.Prepare(ctx, src, m.Descriptor.Params, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	switch d := o.Manifest.Descriptor; {
	case !signed:
		m.Descriptor = d
	case m.Descriptor != d:
		return cli.UsageError("%s is not the file that %s%s describes: sign it again", path, path, manifestfile.Suffix)
	}
	return nil
}

// mayReplaceSet refuses to put a set in the place of another kind of file.
func mayReplaceSet(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().IsRegular() {
		if is, err := manifestfile.IsSet(path); err == nil && is {
			return nil
		}
	}
	return cli.UsageError("%s exists and is not a set; name another file by --output", path)
}
